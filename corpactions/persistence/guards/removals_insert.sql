BEGIN
  -- Every rule of retention, for whoever adds the row. Time is the server's own: SYSDATE follows neither SET timestamp nor, through
  -- UNIX_TIMESTAMP, the session's time zone. Plain reads see one snapshot; holds are read locked, so that one placed meanwhile waits and is not passed over.
  DECLARE utc_now DATETIME(6) DEFAULT TIMESTAMP'1970-01-01 00:00:00' + INTERVAL UNIX_TIMESTAMP(SYSDATE(6)) SECOND;
  DECLARE log_size, entries, held BIGINT;
  DECLARE oldest, newest, signed DATETIME(6);
  DECLARE refused VARCHAR(128);

  SELECT size FROM audit_batches WHERE log_id = NEW.log_id ORDER BY first_seq DESC LIMIT 1 INTO log_size;
  SELECT COUNT(*), MIN(recorded_at), MAX(recorded_at) FROM audit_entries
    WHERE log_id = NEW.log_id AND seq >= NEW.first_seq AND seq < NEW.end_seq INTO entries, oldest, newest;
  SELECT MAX(recorded_at) FROM audit_batches WHERE log_id = NEW.log_id AND first_seq >= NEW.first_seq AND first_seq < NEW.end_seq INTO signed;
  SELECT COUNT(*) FROM audit_holds h
    WHERE h.placed AND (h.from_time IS NULL OR h.from_time <= newest) AND (h.to_time IS NULL OR h.to_time >= oldest)
      AND NOT EXISTS (SELECT 1 FROM audit_holds n WHERE n.name = h.name AND n.hold_no > h.hold_no FOR SHARE)
    FOR SHARE INTO held;

  SET refused = CASE
    WHEN NEW.first_seq < 0 OR MOD(NEW.first_seq, 65536) <> 0 OR NEW.end_seq <> NEW.first_seq + 65536
      THEN 'boundary: a segment starts at a multiple of 65536 and has 65536 entries'
    WHEN NEW.first_seq > 0 AND NOT EXISTS (SELECT 1 FROM audit_removals r WHERE r.log_id = NEW.log_id AND r.end_seq = NEW.first_seq)
      THEN 'order: the segment before it has not been removed'
    WHEN IFNULL(log_size, 0) <= NEW.end_seq OR entries <> 65536 OR signed IS NULL
      THEN 'sealed: the segment is not whole, or nothing follows it yet'
    WHEN NEW.removed_at > utc_now OR GREATEST(newest, signed) >= NEW.removed_at - INTERVAL 7 YEAR
      THEN 'age: its newest entry is not yet over 7 years old'
    WHEN NOT EXISTS (SELECT 1 FROM audit_exports x WHERE x.log_id = NEW.log_id AND x.first_seq = NEW.first_seq AND x.end_seq = NEW.end_seq
                     AND x.bundle_sha256 = NEW.bundle_sha256 AND x.verified_at <= utc_now)
      THEN 'export: no verified export of the segment has this bundle hash'
    WHEN held > 0
      THEN 'hold: a legal hold covers its time'
    WHEN NOT EXISTS (SELECT 1 FROM audit_entries e WHERE e.log_id = NEW.log_id AND e.seq = NEW.end_seq - 1
                     AND UNHEX(SHA2(CONCAT(0x00, e.body), 256)) = NEW.last_hash)
      THEN 'link: last_hash is not the hash of its last entry'
  END;
  IF refused IS NOT NULL THEN
    SET refused = CONCAT('removal refused, ', refused);
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = refused;
  END IF;
END

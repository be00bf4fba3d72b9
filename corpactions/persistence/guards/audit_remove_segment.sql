BEGIN
  -- One transaction: either the segment is gone and its removal written down, or nothing has happened. The trigger on audit_removals keeps the rules.
  DECLARE last_entry BINARY(32);
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    ROLLBACK;
    RESIGNAL;
  END;
  SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
  START TRANSACTION;
  SELECT UNHEX(SHA2(CONCAT(0x00, body), 256)) FROM audit_entries WHERE log_id = in_log_id AND seq = in_first_seq + 65535 INTO last_entry;
  INSERT INTO audit_removals (log_id, first_seq, end_seq, last_hash, bundle_sha256, actor, removed_at)
    VALUES (in_log_id, in_first_seq, in_first_seq + 65536, last_entry, in_bundle_sha256, in_actor,
            TIMESTAMP'1970-01-01 00:00:00' + INTERVAL UNIX_TIMESTAMP(SYSDATE(6)) SECOND);
  DELETE FROM audit_entries WHERE log_id = in_log_id AND seq >= in_first_seq AND seq < in_first_seq + 65536;
  COMMIT;
END

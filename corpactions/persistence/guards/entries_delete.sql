BEGIN
  -- Only what audit_remove_segment has just taken out of retention may go.
  IF NOT EXISTS (SELECT 1 FROM audit_removals WHERE log_id = OLD.log_id AND first_seq = OLD.seq - MOD(OLD.seq, 65536)) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit log is append-only: entries go only with their whole segment, through audit_remove_segment';
  END IF;
END

BEGIN
  -- Only what audit_remove_segment has just taken out of retention may go.
  IF NOT EXISTS (SELECT 1 FROM audit_removals r WHERE r.log_id = OLD.log_id AND r.first_seq <= OLD.seq AND OLD.seq < r.end_seq) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit log is append-only: entries go only with their whole segment, through audit_remove_segment';
  END IF;
END

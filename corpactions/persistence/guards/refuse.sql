SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit log is append-only: its rows are never changed and never deleted'

BEGIN
  -- What guards the audit log, as it stands. Accounts that verify the log may not see triggers and other accounts' rights; this shows them just those.
  SELECT 'trigger' AS kind, trigger_name AS name, CONCAT(action_timing, ' ', event_manipulation, ' ', event_object_table) AS place,
         action_statement AS content, definer
    FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND LEFT(event_object_table, 6) = 'audit_'
  UNION ALL
  SELECT 'account', CONCAT(User, '@', Host), '', account_locked, '' FROM mysql.user WHERE User = 'ca_audit_owner'
  UNION ALL
  SELECT 'right', User, '*.*', CONCAT_WS(',', IF(Update_priv = 'Y', 'UPDATE', NULL), IF(Delete_priv = 'Y', 'DELETE', NULL),
                                         IF(Drop_priv = 'Y', 'DROP', NULL), IF(Alter_priv = 'Y', 'ALTER', NULL), IF(Super_priv = 'Y', 'SUPER', NULL),
                                         IF(Trigger_priv = 'Y', 'TRIGGER', NULL), IF(Alter_routine_priv = 'Y', 'ALTER ROUTINE', NULL)), ''
    FROM mysql.user WHERE LEFT(User, 3) = 'ca_'
  UNION ALL
  SELECT 'right', User, Db, CONCAT_WS(',', IF(Update_priv = 'Y', 'UPDATE', NULL), IF(Delete_priv = 'Y', 'DELETE', NULL),
                                      IF(Drop_priv = 'Y', 'DROP', NULL), IF(Alter_priv = 'Y', 'ALTER', NULL),
                                      IF(Trigger_priv = 'Y', 'TRIGGER', NULL), IF(Alter_routine_priv = 'Y', 'ALTER ROUTINE', NULL)), ''
    FROM mysql.db WHERE LEFT(User, 3) = 'ca_' AND DATABASE() LIKE Db
  UNION ALL
  SELECT 'right', User, Table_name, CONCAT_WS(',', NULLIF(Table_priv, ''), NULLIF(Column_priv, '')), ''
    FROM mysql.tables_priv WHERE LEFT(User, 3) = 'ca_' AND Db = DATABASE() AND LEFT(Table_name, 6) = 'audit_'
  UNION ALL
  SELECT 'right', TO_USER, CONCAT('role ', FROM_USER), 'ROLE', '' FROM mysql.role_edges WHERE LEFT(TO_USER, 3) = 'ca_';
END

//! What SQLite and PostgreSQL write differently: types in table definitions, triggers, places for values.

use super::Engine;

/// What keeps a table as it is, whoever asks: a trigger in the database itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guard {
    pub(crate) table: &'static str,
    pub(crate) on: On,
    /// A condition over `NEW` and `OLD`; when it holds, the statement fails.
    pub(crate) when: When,
    /// What the statement's error says.
    pub(crate) says: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Insert,
    Update,
    Delete,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// In any case.
    Always,
    /// SQL that both engines read.
    Holds(&'static str),
    /// When one of these columns gets another value.
    Changes(&'static [&'static str]),
}

impl Guard {
    /// As the hash of a migration step sees it: the same for both engines.
    pub(crate) fn text(&self) -> String {
        format!("{} {:?} {:?} {}\n", self.table, self.on, self.when, self.says)
    }

    fn condition(&self) -> Option<String> {
        match self.when {
            When::Always => None,
            When::Holds(condition) => Some(condition.to_owned()),
            When::Changes(columns) => {
                let changes: Vec<String> =
                    columns.iter().map(|column| format!("NEW.{column} IS DISTINCT FROM OLD.{column}")).collect();
                Some(changes.join(" OR "))
            }
        }
    }

    /// The statements that make the trigger. `number` makes its name one of its own.
    pub(crate) fn sql(&self, engine: Engine, number: usize) -> String {
        let Self { table, says, .. } = self;
        let name = format!("{table}_guard_{number}");
        let on = match self.on {
            On::Insert => "INSERT",
            On::Update => "UPDATE",
            On::Delete => "DELETE",
        };
        match engine {
            Engine::Sqlite => {
                let when = self.condition().map(|condition| format!("WHEN {condition}")).unwrap_or_default();
                format!(
                    "CREATE TRIGGER {name} BEFORE {on} ON {table} {when} BEGIN SELECT RAISE(ABORT, '{says}'); END;\n"
                )
            }
            Engine::Postgres => {
                let condition = self.condition().unwrap_or_else(|| "TRUE".to_owned());
                let row = if self.on == On::Delete { "OLD" } else { "NEW" };
                // The search path is fixed, or a shell with another one would look for `meta` somewhere else.
                let mut sql = format!(
                    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
                         IF {condition} THEN RAISE EXCEPTION '{says}' USING ERRCODE = 'restrict_violation'; END IF;
                         RETURN {row};
                     END $$;
                     CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();\n"
                );
                // TRUNCATE is a delete that no trigger for rows sees.
                if self.on == On::Delete {
                    sql.push_str(&format!(
                        "CREATE FUNCTION {name}_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                             RAISE EXCEPTION '{says}' USING ERRCODE = 'restrict_violation';
                         END $$;
                         CREATE TRIGGER {name}_all BEFORE TRUNCATE ON {table}
                         FOR EACH STATEMENT EXECUTE FUNCTION {name}_all();\n"
                    ));
                }
                sql
            }
        }
    }
}

/// Lets all guards hold in every session, also in one that says it replays another server's changes (PostgreSQL's
/// `session_replication_role`). SQLite has no such state.
pub(crate) fn always(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "",
        Engine::Postgres => {
            r"DO $$ DECLARE guard RECORD; BEGIN
                  FOR guard IN
                      SELECT t.tgname AS name, c.relname AS of FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                      WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal
                        AND t.tgname LIKE '%\_guard\_%' AND t.tgenabled <> 'A'
                  LOOP
                      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', guard.of, guard.name);
                  END LOOP;
              END $$;"
        }
    }
}

/// Table definitions, with the words that stand for what the engines write differently:
///
/// | word | SQLite | PostgreSQL |
/// | --- | --- | --- |
/// | `SERIAL_KEY` | a key that is never given twice | the same |
/// | `INTEGER`, `BLOB` | as it is | 64 bits, `BYTEA` |
/// | `STRICT` after a table | types are kept | (always) |
/// | `KEYED` after a table | and the rows lie in the order of the primary key | |
pub(crate) fn define(engine: Engine, sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 512);
    let mut rest = sql;
    while !rest.is_empty() {
        let word = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if word == 0 {
            let other = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_').unwrap_or(rest.len());
            out.push_str(&rest[..other]);
            rest = &rest[other..];
            continue;
        }
        out.push_str(match (engine, &rest[..word]) {
            (Engine::Sqlite, "SERIAL_KEY") => "INTEGER PRIMARY KEY AUTOINCREMENT",
            (Engine::Sqlite, "KEYED") => "STRICT, WITHOUT ROWID",
            (Engine::Postgres, "SERIAL_KEY") => "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            (Engine::Postgres, "INTEGER") => "BIGINT",
            (Engine::Postgres, "BLOB") => "BYTEA",
            (Engine::Postgres, "STRICT" | "KEYED") => "",
            (_, word) => word,
        });
        rest = &rest[word..];
    }
    out
}

/// `?1` becomes `$1`, outside of quotes.
pub(crate) fn dollars(sql: &str) -> String {
    let mut quoted = false;
    sql.chars()
        .map(|c| {
            quoted ^= c == '\'';
            if c == '?' && !quoted { '$' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_words_are_written_for_each_engine_and_others_stay() {
        let sql = "CREATE TABLE a (n SERIAL_KEY, b BLOB, c INTEGER, SERIAL_KEYS TEXT) STRICT;";
        assert_eq!(
            define(Engine::Sqlite, sql),
            "CREATE TABLE a (n INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB, c INTEGER, SERIAL_KEYS TEXT) STRICT;"
        );
        assert_eq!(
            define(Engine::Postgres, sql),
            "CREATE TABLE a (n BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, b BYTEA, c BIGINT, SERIAL_KEYS TEXT) ;"
        );
    }

    #[test]
    fn places_for_values_become_dollars_outside_of_quotes() {
        assert_eq!(dollars("a = ?1 AND b = '?2' AND c = ?12"), "a = $1 AND b = '?2' AND c = $12");
    }
}

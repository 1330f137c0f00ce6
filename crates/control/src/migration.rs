//! The steps that make and change the tables, each applied once, on both engines.
//!
//! - A step that was released is never edited: a store remembers SHA-256 of each step it went through, and a program that
//!   has another text for it does not open the store. The hash is of the text before it is written for an engine.
//! - A step and the note of it are one transaction.

use crate::db::dialect::{self, Guard};
use crate::db::{Begin, Database, DbError, Engine, values};
use crate::id::sha256;
use crate::{StoreError, guards};
use domicile_region::RegionId;
use domicile_world::Millis;

/// Tables, and the guards over them.
#[derive(Clone, Copy)]
struct Step {
    sql: &'static str,
    guards: &'static [Guard],
    /// The number in the name of its first guard: on one table no two steps may use the same.
    first_guard: usize,
}

/// The steps in order; the first is number 1.
const STEPS: &[Step] = &[
    Step { sql: include_str!("../migrations/0001_first.sql"), guards: guards::FIRST, first_guard: 1 },
    Step { sql: include_str!("../migrations/0002_people.sql"), guards: guards::PEOPLE, first_guard: 1 },
    Step { sql: include_str!("../migrations/0003_kept_keys.sql"), guards: guards::KEPT_KEYS, first_guard: 101 },
    Step { sql: include_str!("../migrations/0004_transfers.sql"), guards: guards::TRANSFERS, first_guard: 1 },
];

impl Step {
    fn hash(&self) -> [u8; 32] {
        let mut text = self.sql.to_owned();
        self.guards.iter().for_each(|guard| text.push_str(&guard.text()));
        sha256(text.as_bytes())
    }

    fn written_for(&self, engine: Engine) -> String {
        let mut sql = dialect::define(engine, self.sql);
        for (number, guard) in (self.first_guard..).zip(self.guards) {
            sql.push_str(&guard.sql(engine, number));
        }
        sql.push_str(dialect::always(engine));
        sql
    }
}

/// Brings the database to the newest step and notes whose it is. Gives the number of steps that it applied.
///
/// # Errors
/// `OtherRegion`, `NotOurs`, `Newer`, `OtherMigration`; then nothing was changed.
pub(crate) fn migrate(db: &Database, region: &RegionId, now: Millis) -> Result<u32, StoreError> {
    apply(db, region, now, STEPS)
}

fn apply(db: &Database, region: &RegionId, now: Millis, steps: &[Step]) -> Result<u32, StoreError> {
    let at = || db.at.clone();
    let sql = |doing| move |e: DbError| StoreError::sql(&db.at, doing, e);
    // Of two programs that start on one store, the second waits here and finds the work done.
    let tx = db.begin(Begin::Migrate).map_err(sql("begin the migrations"))?;
    let tables = tables(&*tx, db.engine).map_err(sql("read the tables"))?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if !has("migrations") && !tables.is_empty() {
        return Err(StoreError::NotOurs { file: at() });
    }
    if has("meta") && has("workspaces") {
        let found = tx.rows(
            "SELECT region FROM meta UNION SELECT region FROM workspaces WHERE region <> ?1",
            values![region.as_str()],
        );
        for row in found.map_err(sql("read whose store it is"))? {
            let found: String = row.get(0).map_err(sql("read whose store it is"))?;
            if found != region.as_str() {
                return Err(StoreError::OtherRegion { file: at(), found: RegionId::new(found), here: region.clone() });
            }
        }
    }
    tx.batch(&dialect::define(
        db.engine,
        "CREATE TABLE IF NOT EXISTS migrations (
             number INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT;",
    ))
    .map_err(sql("make the table of migrations"))?;
    let done = tx
        .rows("SELECT number, sha256 FROM migrations ORDER BY number", &[])
        .and_then(|rows| rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<Vec<_>, _>>())
        .map_err(sql("read the applied migrations"))?;
    check(&at(), &done, steps)?;
    let mut applied = 0;
    for (step, number) in steps.iter().zip(1_u32..).skip(done.len()) {
        tx.batch(&step.written_for(db.engine)).map_err(sql("apply a migration"))?;
        tx.run(
            "INSERT INTO migrations (number, sha256, applied_at) VALUES (?1, ?2, ?3)",
            values![number, step.hash(), now],
        )
        .map_err(sql("note a migration"))?;
        applied += 1;
    }
    if steps.iter().any(|step| step.sql.contains("CREATE TABLE meta")) {
        tx.run(
            "INSERT INTO meta (one, region, config_version)
             SELECT 1, ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM meta)",
            values![region.as_str()],
        )
        .map_err(sql("note the region"))?;
    }
    tx.commit(|| ()).map_err(sql("commit the migrations"))?;
    Ok(applied)
}

/// Whether what was applied is what this program has, as far as it goes.
fn check(at: &str, done: &[(u32, Vec<u8>)], steps: &[Step]) -> Result<(), StoreError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    for ((number, hash), expected) in done.iter().zip(1..) {
        let Some(step) = usize::try_from(expected - 1).ok().and_then(|n| steps.get(n)) else {
            let found = done.last().map_or(0, |(number, _)| *number);
            return Err(StoreError::Newer { file: at.to_owned(), found, known });
        };
        if *number != expected || hash[..] != step.hash() {
            return Err(StoreError::OtherMigration { file: at.to_owned(), number: expected });
        }
    }
    Ok(())
}

fn tables(db: &dyn crate::db::Connection, engine: Engine) -> Result<Vec<String>, DbError> {
    let sql = match engine {
        Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Engine::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
    };
    db.rows(sql, &[])?.iter().map(|row| row.get(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::sqlite;
    use domicile_world::World;

    fn open(dir: &tempfile::TempDir) -> Database {
        sqlite::open(&World::real(), &dir.path().join("control.db")).expect("opens")
    }

    const fn step(sql: &'static str) -> Step {
        Step { sql, guards: &[], first_guard: 1 }
    }

    fn applied(db: &Database, steps: &[Step]) -> Result<u32, StoreError> {
        apply(db, &RegionId::new("ch"), Millis(0), steps)
    }

    #[test]
    fn migrations_run_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        assert_eq!(migrate(&db, &RegionId::new("ch"), Millis(0)).expect("the first time"), 4);
        assert_eq!(migrate(&db, &RegionId::new("ch"), Millis(0)).expect("the second time"), 0);
    }

    #[test]
    fn an_edited_or_newer_migration_is_refused_and_a_failing_one_leaves_nothing() {
        const A: Step = step("CREATE TABLE a (x TEXT);");
        const B: Step = step("CREATE TABLE b (x TEXT);");
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        applied(&db, &[A, B]).expect("applies");
        let edited = applied(&db, &[step("CREATE TABLE a (y TEXT);"), B]);
        assert!(matches!(edited, Err(StoreError::OtherMigration { number: 1, .. })));
        assert!(matches!(applied(&db, &[A]), Err(StoreError::Newer { found: 2, known: 1, .. })));
        assert!(applied(&db, &[A, B, step("CREATE TABLE c (x TEXT); CREATE TABLE a (x TEXT)")]).is_err());
        let tx = db.begin(Begin::View).expect("begins");
        assert!(!tables(&*tx, Engine::Sqlite).expect("reads").contains(&"c".to_owned()));
    }

    #[test]
    fn the_database_of_something_else_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let theirs = rusqlite::Connection::open(dir.path().join("control.db")).expect("opens");
        theirs.execute_batch("CREATE TABLE theirs (x)").expect("makes a table");
        let opened = sqlite::open(&World::real(), &dir.path().join("control.db"));
        assert!(matches!(opened, Err(StoreError::NotOurs { .. })));
    }
}

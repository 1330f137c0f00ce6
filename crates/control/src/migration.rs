//! The steps that make and change the tables, each applied once.
//!
//! - A step that was released is never edited: a store remembers SHA-256 of each step it went through, and a program that
//!   has another text for it does not open the store.
//! - A step and the note of it are one transaction.

use crate::StoreError;
use crate::id::sha256;
use domicile_world::Millis;
use rusqlite::{Connection, TransactionBehavior, params};

/// The steps in order; the first is number 1.
const STEPS: &[&str] = &[include_str!("../migrations/0001_first.sql")];

/// Marks the file as ours: "Domi".
const APPLICATION_ID: i32 = 0x446f_6d69;

/// Brings the database to the newest step. Gives the number of steps that it applied.
pub(crate) fn migrate(db: &mut Connection, file: &str, now: Millis) -> Result<u32, StoreError> {
    apply(db, file, now, STEPS)
}

fn apply(db: &mut Connection, file: &str, now: Millis, steps: &[&str]) -> Result<u32, StoreError> {
    let sql = |doing| move |e| StoreError::sql(file, doing, e);
    // Immediate: of two programs that start on one file, the second waits and finds the work done.
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql("begin the migrations"))?;
    let application: i32 =
        tx.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(sql("read whose file it is"))?;
    let tables: i64 =
        tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sql("read the tables"))?;
    if application != APPLICATION_ID && (application != 0 || tables != 0) {
        return Err(StoreError::NotOurs { file: file.to_owned() });
    }
    tx.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID};
         CREATE TABLE IF NOT EXISTS migrations (
             number INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT;"
    ))
    .map_err(sql("make the table of migrations"))?;
    let done: Vec<(u32, Vec<u8>)> = tx
        .prepare("SELECT number, sha256 FROM migrations ORDER BY number")
        .and_then(|mut rows| rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(sql("read the applied migrations"))?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    for ((number, hash), expected) in done.iter().zip(1..) {
        let Some(step) = usize::try_from(expected - 1).ok().and_then(|n| steps.get(n)) else {
            let found = done.last().map_or(0, |(number, _)| *number);
            return Err(StoreError::Newer { file: file.to_owned(), found, known });
        };
        if *number != expected || hash[..] != sha256(step.as_bytes()) {
            return Err(StoreError::OtherMigration { file: file.to_owned(), number: expected });
        }
    }
    let mut applied = 0;
    for (step, number) in steps.iter().zip(1_u32..).skip(done.len()) {
        tx.execute_batch(step).map_err(sql("apply a migration"))?;
        tx.execute(
            "INSERT INTO migrations (number, sha256, applied_at) VALUES (?1, ?2, ?3)",
            params![number, sha256(step.as_bytes()), now.0],
        )
        .map_err(sql("note a migration"))?;
        applied += 1;
    }
    tx.commit().map_err(sql("commit the migrations"))?;
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Connection {
        Connection::open_in_memory().expect("opens")
    }

    #[test]
    fn migrations_run_once() {
        let mut db = open();
        assert_eq!(migrate(&mut db, "x", Millis(0)).expect("the first time"), 1);
        assert_eq!(migrate(&mut db, "x", Millis(0)).expect("the second time"), 0);
    }

    #[test]
    fn an_edited_or_newer_migration_is_refused_and_a_failing_one_leaves_nothing() {
        let mut db = open();
        apply(&mut db, "x", Millis(0), &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).expect("applies");
        let edited = apply(&mut db, "x", Millis(0), &["CREATE TABLE a (y)", "CREATE TABLE b (x)"]);
        assert!(matches!(edited, Err(StoreError::OtherMigration { number: 1, .. })));
        let older = apply(&mut db, "x", Millis(0), &["CREATE TABLE a (x)"]);
        assert!(matches!(older, Err(StoreError::Newer { found: 2, known: 1, .. })));
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE c (x); CREATE TABLE a (x)"];
        assert!(apply(&mut db, "x", Millis(0), &steps).is_err());
        let c: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'c'", [], |row| row.get(0)).expect("counts");
        assert_eq!(c, 0);
    }

    #[test]
    fn the_database_of_something_else_is_refused() {
        let mut db = open();
        db.execute_batch("CREATE TABLE theirs (x)").expect("makes a table");
        assert!(matches!(migrate(&mut db, "x", Millis(0)), Err(StoreError::NotOurs { .. })));
    }
}

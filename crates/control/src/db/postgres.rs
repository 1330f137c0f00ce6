//! PostgreSQL: the control store of a cluster, a schema of the operator's database.
//!
//! ```text
//! caller ── job ──► a thread with a runtime of its own ──► tokio-postgres ──► Pipe of the border
//!        ◄─ done ──┘
//! ```
//!
//! - Each of a store's connections (one that changes it, one that follows, up to four that read) has its thread. It
//!   connects when a transaction begins and there is no connection.
//! - A connection that is lost takes its transaction with it: nothing of it holds, and the error
//!   [passes](crate::StoreError::passes). Only a commit whose answer is lost may have happened; it is whole then too, and
//!   [`Store::follow`](crate::Store::follow) brings it in.
//! - The cell has the schema `domicile_REGION`, dashes as underscores. Another cell's is never named.

mod url;
mod wire;

use super::{Begin, Connection, Database, DbError, Engine, Fault, Rows, Value, dialect};
use crate::StoreError;
use domicile_border::{Ask, Border, Limits, Place, Purpose, SendError};
use domicile_region::Region;
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::{Client, NoTls, Statement};
pub use url::PostgresUrl;
use wire::{Wire, error, read};

const LIMITS: Limits = Limits { connect: Duration::from_secs(5), whole: Duration::from_secs(10), answer_bytes: 0 };
/// How long the server works on a statement, waiting for another change included.
const STATEMENT_MS: u32 = 15_000;
/// How long an answer is waited for before the connection is given up: the network lost it.
const ANSWER: Duration = Duration::from_secs(20);
/// A program that stopped in the middle of a change must not stop all others.
const IDLE_IN_TRANSACTION_MS: u32 = 60_000;
const STATEMENTS_KEPT: usize = 512;
/// Longer names are cut by PostgreSQL, and then two regions could have one.
const SCHEMA_BYTES_MAX: usize = 63;

/// Connects, and makes sure that the cell's schema is there.
pub(crate) fn open(world: &World, url: &PostgresUrl, border: &Border, region: &Region) -> Result<Database, StoreError> {
    let schema = format!("domicile_{}", region.id.as_str().replace('-', "_"));
    let at = format!("{url} schema {schema}");
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if schema.len() > SCHEMA_BYTES_MAX || !schema.bytes().all(plain) {
        let what = "the region's name makes no name of a schema: a-z, 0-9 and `-`, at most 54";
        return Err(StoreError::sql(&at, "name the schema", DbError::new(Engine::Postgres, Fault::Lasts, what)));
    }
    let server =
        Server { world: world.clone(), url: url.clone(), border: border.clone(), schema, region: region.clone() };
    let writer = Thread::start(server.clone()).map_err(|e| StoreError::sql(&at, "start a thread", e))?;
    let reader = move || -> Result<Box<dyn Connection>, DbError> { Ok(Box::new(Thread::start(server.clone())?)) };
    Ok(Database::new(Engine::Postgres, at, Box::new(writer), Arc::new(reader)))
}

/// One connection, as its callers see it.
struct Thread {
    jobs: UnboundedSender<(Job, SyncSender<Result<Done, DbError>>)>,
}

enum Job {
    Begin(Begin),
    Commit,
    Rollback,
    Run(String, Vec<Value>),
    Rows(String, Vec<Value>, usize),
    Batch(String),
}

enum Done {
    Nothing,
    Count(u64),
    Rows(Rows),
}

impl Thread {
    fn start(server: Server) -> Result<Self, DbError> {
        let failed = |e: std::io::Error| DbError::new(Engine::Postgres, Fault::Passes, e.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (jobs, waiting) = unbounded_channel();
        std::thread::Builder::new()
            .name("control-store".to_owned())
            .spawn(move || {
                runtime.block_on(Worker { server, session: None, transaction: Transaction::None }.work(waiting))
            })
            .map_err(failed)?;
        Ok(Self { jobs })
    }

    fn ask(&self, job: Job) -> Result<Done, DbError> {
        let gone = || DbError::new(Engine::Postgres, Fault::Lasts, "the connection's thread has ended");
        let (done, answer) = sync_channel(1);
        self.jobs.send((job, done)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Connection for Thread {
    fn begin(&self, what: Begin) -> Result<(), DbError> {
        self.ask(Job::Begin(what)).map(drop)
    }

    fn commit(&self) -> Result<(), DbError> {
        self.ask(Job::Commit).map(drop)
    }

    fn rollback(&self) {
        // What fails here has lost its connection, and with it the transaction.
        drop(self.ask(Job::Rollback));
    }

    fn run(&self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        match self.ask(Job::Run(sql.to_owned(), values.to_vec()))? {
            Done::Count(count) => Ok(count),
            Done::Nothing | Done::Rows(_) => Ok(0),
        }
    }

    fn rows_within(&self, sql: &str, values: &[Value], bytes: usize) -> Result<Rows, DbError> {
        match self.ask(Job::Rows(sql.to_owned(), values.to_vec(), bytes))? {
            Done::Rows(rows) => Ok(rows),
            Done::Nothing | Done::Count(_) => Ok(Rows::default()),
        }
    }

    fn batch(&self, sql: &str) -> Result<(), DbError> {
        self.ask(Job::Batch(sql.to_owned())).map(drop)
    }

    fn is_broken(&self) -> bool {
        // Its thread has ended: nobody takes jobs any more.
        self.jobs.is_closed()
    }
}

#[derive(Clone)]
struct Server {
    world: World,
    url: PostgresUrl,
    border: Border,
    schema: String,
    region: Region,
}

/// An open connection and what was prepared on it.
struct Session {
    client: Client,
    statements: HashMap<String, Statement>,
}

#[derive(Clone, Copy, PartialEq)]
enum Transaction {
    None,
    Open,
    /// A statement failed: PostgreSQL would answer a commit with a rollback, and call that a success.
    Failed,
}

struct Worker {
    server: Server,
    session: Option<Session>,
    transaction: Transaction,
}

impl Worker {
    async fn work(mut self, mut jobs: UnboundedReceiver<(Job, SyncSender<Result<Done, DbError>>)>) {
        while let Some((job, done)) = jobs.recv().await {
            let clock = Arc::clone(&self.server.world.clock);
            let answer = tokio::select! {
                biased;
                answer = self.answer(job) => answer,
                () = clock.sleep(ANSWER) => {
                    self.session = None;
                    Err(DbError::new(Engine::Postgres, Fault::Passes, "the server did not answer in time"))
                }
            };
            if answer.is_err() && self.transaction == Transaction::Open {
                self.transaction = Transaction::Failed;
            }
            // Whoever asked may have gone with its thread.
            drop(done.send(answer));
        }
    }

    async fn answer(&mut self, job: Job) -> Result<Done, DbError> {
        match job {
            Job::Begin(what) => {
                self.begin(what).await?;
                self.transaction = Transaction::Open;
                Ok(Done::Nothing)
            }
            Job::Commit => {
                let client = self.client()?;
                if self.transaction == Transaction::Failed {
                    return Err(DbError::new(Engine::Postgres, Fault::Lasts, "a statement of it had failed"));
                }
                client.batch_execute("COMMIT").await.map_err(error)?;
                self.transaction = Transaction::None;
                Ok(Done::Nothing)
            }
            Job::Rollback => {
                self.transaction = Transaction::None;
                if let Ok(client) = self.client()
                    && client.batch_execute("ROLLBACK").await.is_err()
                {
                    self.session = None;
                }
                Ok(Done::Nothing)
            }
            Job::Run(sql, values) => {
                let statement = self.prepared(sql).await?;
                let values: Vec<Wire<'_>> = values.iter().map(Wire).collect();
                let values: Vec<_> =
                    values.iter().map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
                Ok(Done::Count(self.client()?.execute(&statement, &values).await.map_err(error)?))
            }
            Job::Rows(sql, values, bytes) => {
                let statement = self.prepared(sql).await?;
                let rows = self.client()?.query_raw(&statement, values.iter().map(Wire)).await.map_err(error)?;
                let (mut rows, mut found) = (std::pin::pin!(rows), Rows::default());
                // What is left off is thrown away as it comes.
                while let Some(row) = rows.next().await {
                    if !found.take(read(&row.map_err(error)?)?, bytes) {
                        break;
                    }
                }
                Ok(Done::Rows(found))
            }
            Job::Batch(sql) => {
                self.client()?.batch_execute(&sql).await.map_err(error)?;
                Ok(Done::Nothing)
            }
        }
    }

    fn client(&self) -> Result<&Client, DbError> {
        match &self.session {
            Some(session) if !session.client.is_closed() => Ok(&session.client),
            _ => Err(DbError::new(Engine::Postgres, Fault::Passes, "the connection was lost")),
        }
    }

    async fn prepared(&mut self, sql: String) -> Result<Statement, DbError> {
        if let Some(session) = &self.session
            && let Some(statement) = session.statements.get(&sql)
        {
            return Ok(statement.clone());
        }
        let statement = self.client()?.prepare(&dialect::dollars(&sql)).await.map_err(error)?;
        if let Some(session) = &mut self.session {
            if session.statements.len() >= STATEMENTS_KEPT {
                session.statements.clear();
            }
            session.statements.insert(sql, statement.clone());
        }
        Ok(statement)
    }

    /// Begins a transaction; on a new connection when there is none, or when the one there was turns out to be lost.
    async fn begin(&mut self, what: Begin) -> Result<(), DbError> {
        if self.client().is_ok() {
            match self.begin_here(what).await {
                Err(_) if self.client().is_err() => {}
                begun => return begun,
            }
        }
        self.session = None;
        self.session = Some(Session { client: self.server.connect().await?, statements: HashMap::new() });
        self.begin_here(what).await
    }

    async fn begin_here(&self, what: Begin) -> Result<(), DbError> {
        let client = self.client()?;
        let begun = match what {
            Begin::View => client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await,
            Begin::Change => {
                let sql = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT 1 FROM meta FOR UPDATE";
                client.batch_execute(sql).await
            }
            Begin::ChangeIfFree => {
                let sql = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT 1 FROM meta FOR UPDATE NOWAIT";
                client.batch_execute(sql).await
            }
            Begin::Migrate => self.begin_migration(client).await,
        };
        if begun.is_err() {
            // The error that is told is the first one.
            drop(client.batch_execute("ROLLBACK").await);
        }
        begun.map_err(error)
    }

    async fn begin_migration(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let schema = &self.server.schema;
        client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        client.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[schema]).await?;
        // Asked first: making it takes a right that a careful operator takes away once it is there.
        if client.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[schema]).await?.is_empty() {
            client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await?;
        }
        Ok(())
    }
}

impl Server {
    async fn connect(&self) -> Result<Client, DbError> {
        let failed = |fault, what: String| DbError::new(Engine::Postgres, fault, what);
        let ask = Ask {
            workspace: WorkspaceId::new("control-store"),
            purpose: Purpose::ControlStore,
            url: self.url.for_border(),
            // Who names the database says that it stands in the region; `networks` may say otherwise.
            place: Place::Declared(Some(self.region.country)),
        };
        let permit = self.border.permit(ask).await.map_err(|refusal| {
            let fault = if refusal.may_pass() { Fault::Passes } else { Fault::Lasts };
            failed(fault, format!("{refusal}; {}", refusal.mend()))
        })?;
        let pipe = self.border.pipe(permit, &LIMITS).await.map_err(|e| {
            let fault = if matches!(e, SendError::Tls { .. }) { Fault::Lasts } else { Fault::Passes };
            failed(fault, e.to_string())
        })?;
        let (client, driver) = self.url.config().connect_raw(pipe, NoTls).await.map_err(error)?;
        // How it ends is told by the statement that was on it.
        tokio::spawn(async move { drop(driver.await) });
        let settings = format!(
            "SET search_path TO \"{}\"; SET client_min_messages TO warning; SET statement_timeout TO {STATEMENT_MS};
             SET idle_in_transaction_session_timeout TO {IDLE_IN_TRANSACTION_MS}",
            self.schema
        );
        client.batch_execute(&settings).await.map_err(error)?;
        Ok(client)
    }
}

//! The program: one file per command, and the only place where the parts are wired together.

mod apply;
mod balance;
mod border;
mod catalog;
mod cell;
mod client;
mod configuration;
mod demo;
mod drill;
mod exit;
mod export;
mod logging;
mod look;
mod operator;
mod part;
mod plan;
mod points;
mod policy;
mod register;
mod router;
mod send;
mod tail;
mod up;
mod verify;
mod witness;

use clap::{Parser, Subcommand};
use exit::Exit;
use std::process::ExitCode;

/// Customer-data pipelines whose data stays in its region, and can prove it.
#[derive(Parser)]
#[command(name = "domicile", version, max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in one process: the cells, their ingest points, the front door
    Up(up::UpArgs),
    /// Run a region's border as a process of its own, so that the cell needs no route out
    Border(border::BorderArgs),
    /// Send events as an SDK would; makes sample events without a file
    Send(send::SendArgs),
    /// Watch events as they are decided, or show the whole life of one
    Tail(tail::TailArgs),
    /// Show what a workspace file would change; exit 1 when it would change something
    Plan(plan::PlanArgs),
    /// Make a workspace what a file says: all of it, or nothing
    Apply(apply::ApplyArgs),
    /// Write a workspace's configuration as a file
    Export(export::ExportArgs),
    /// Say what a policy or destination change would let out, before it is applied
    Policy(policy::PolicyArgs),
    /// Show the balance sheet; exit 1 when it does not add up
    Balance(balance::BalanceArgs),
    /// Check a ledger and its archive offline; exit 1 when anything was altered, dropped or reordered
    Verify(verify::VerifyArgs),
    /// Try to break residency on a running cell, and report what crossed; exit 1 when anything did
    Drill(drill::DrillArgs),
    /// Show sources, destinations and warehouses with their regional endpoints
    Catalog(catalog::CatalogArgs),
    /// Accounts, entitlements, people and sign-in providers of a cell, for who runs it
    Operator(operator::OperatorArgs),
}

fn main() -> ExitCode {
    // clap ends with 2 on wrong usage, as the commands do.
    let args = Args::parse();
    let done = match args.command {
        Command::Up(args) => up::run(args),
        Command::Border(args) => border::run(args),
        Command::Send(args) => send::run(args),
        Command::Tail(args) => tail::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Export(args) => export::run(args),
        Command::Policy(args) => policy::run(args),
        Command::Balance(args) => balance::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Drill(args) => drill::run(args),
        Command::Operator(args) => operator::run(args),
        Command::Catalog(args) => catalog::run(args),
    };
    match done {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::No) => ExitCode::from(1),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.code())
        }
    }
}

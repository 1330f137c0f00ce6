//! `domicile tail`

use crate::client::CellArgs;
use crate::exit::{Exit, Failure};
use clap::Args;

#[derive(Args)]
pub struct TailArgs {
    #[command(flatten)]
    cell: CellArgs,
}

pub fn run(args: TailArgs) -> Result<Exit, Failure> {
    let _ = args.cell.cells()?;
    Ok(Exit::Done)
}

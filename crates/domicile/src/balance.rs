//! `domicile balance`

use crate::client::CellArgs;
use crate::exit::{Exit, Failure};
use clap::Args;

#[derive(Args)]
pub struct BalanceArgs {
    #[command(flatten)]
    cell: CellArgs,
}

pub fn run(args: BalanceArgs) -> Result<Exit, Failure> {
    let _ = args.cell.cells()?;
    Ok(Exit::Done)
}

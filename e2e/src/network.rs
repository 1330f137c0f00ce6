//! Regions at the level of packets: what crosses between them, and what does not.
//!
//! Goal: while 100,000 events of two regions go their ways, with every kind of mistake and lie on them, nothing crosses between the
//! eu cell and any other host but what the table opens; no frame, file, log, metric or database outside holds the
//! eu marker in any form; and clients, balance sheet, archive, partners and ledger agree to the event.
//!
//! Method: each cell, its clients and each partner is a host of a [lab](lab). What crosses is counted in the bridge and captured
//! whole. A planted leak has to be found first. `table` says who there is and what has to become of what.

mod agreement;
mod bridge;
mod capture;
mod cell;
mod checks;
mod dns;
mod hostile;
mod lab;
mod ledger;
mod load;
mod markers;
mod partner;
mod planted;
mod run;
mod streams;
mod table;

use crate::tally::Tally;
use dns::Dns;
use lab::Lab;
use std::fs;
use std::path::Path;

pub fn run(domicile: &Path) -> Tally {
    let mut tally = Tally::default();
    if let Some(why) = Lab::impossible() {
        tally.skip("what crosses between regions, in network namespaces", why);
        return tally;
    }
    match Lab::up(&table::HOSTS) {
        Ok(lab) => {
            if let Err(why) = steps(&mut tally, &lab, domicile) {
                tally.check("the run in the lab", Err(why));
            }
            let folder = lab.folder.clone();
            drop(lab);
            if tally.failed() > 0 {
                println!("kept: {} (captures, and each host's files and log)", folder.display());
            } else if let Err(error) = fs::remove_dir_all(&folder) {
                println!("could not remove {}: {error}", folder.display());
            }
        }
        Err(why) => tally.check("the lab stands", Err(why)),
    }
    tally
}

fn steps(tally: &mut Tally, lab: &Lab, domicile: &Path) -> Result<(), String> {
    let dns = Dns::start(lab, "dns")?;
    planted::find(tally, lab)?;
    let run = run::go(tally, lab, domicile, &dns)?;
    run.check(tally, lab)?;
    agreement::check(tally, &run)
}

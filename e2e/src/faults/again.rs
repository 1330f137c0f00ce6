//! One batch sent again and again, across kills and restarts: archived once.

use crate::faults::book::{BATCH, Client, POINTS, close, good};
use crate::tally::Tally;
use crate::up::Home;
use std::path::Path;

/// Batch n is sent n times, 1 to this.
const TIMES: u64 = 50;
/// So often `up` is killed, and so often it is stopped in order.
const LIVES: u64 = 10;

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "again", &[], |tally, home| {
        let mut up = home.start_ready()?;
        let demo = home.demo()?;
        let mut clients =
            POINTS.into_iter().map(|point| Client::of(&demo, point, "again")).collect::<Result<Vec<_>, _>>()?;
        for round in 1..=TIMES {
            for client in &mut clients {
                // In round r those that are sent r times or more: so each is sent as often as its number says.
                for number in (round..=TIMES).rev() {
                    let numbers = (number - 1) * BATCH..number * BATCH;
                    let answer = if round == 1 { client.send() } else { client.send_again(numbers) };
                    good(client.url(), answer)?;
                }
            }
            if round % (TIMES / LIVES) == 0 {
                if round % (2 * TIMES / LIVES) == 0 {
                    up.kill()?;
                } else {
                    up.stop()?;
                }
                up = home.start_ready()?;
                clients.iter_mut().try_for_each(Client::reconnect)?;
            }
        }
        let what = format!("batches sent 1 to {TIMES} times across {LIVES} kills and stops");
        close(tally, home, up, &what, &clients)?;
        let up = home.start_ready()?;
        let mut accepted = 0;
        for region in ["us-west", "eu-west"] {
            let sheet = crate::sheet::Sheet::of(&home.balance()?, region)?;
            accepted += sheet.accepted;
            if sheet.kept != clients.iter().filter(|client| client.region == region).count() as u64 * TIMES * BATCH {
                tally.check("the balance sheet keeps each once", Err(format!("{region}: {sheet:?}")));
            }
        }
        up.stop()?;
        let sent = clients.len() as u64 * BATCH * TIMES * (TIMES + 1) / 2;
        let outcome = if accepted == sent { Ok(()) } else { Err(format!("accepted {accepted} of {sent}")) };
        tally.check(
            format!("the balance sheet counts each of {sent} events sent, and calls the repeated ones duplicates"),
            outcome,
        );
        Ok(())
    });
}

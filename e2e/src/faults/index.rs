//! The index folder is a cache, and the archive a copy of the event log: deleted, they come back the same; the index also
//! when it is damaged. Nothing is lost by it, and no duplicate passes.

use crate::archive::await_archived;
use crate::faults::book::{Book, Client, promises};
use crate::faults::files::Files;
use crate::tally::Tally;
use crate::up::Home;
use std::fs;
use std::path::Path;

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "index", &[], |tally, home| {
        let up = home.start_ready()?;
        let mut clients = Client::of_all(&home.demo()?, "index")?;
        clients.iter_mut().try_for_each(|client| client.send_good(10))?;
        let mut book = Book::of(&home.data);
        await_archived(home, up, || book.read(&clients))?;

        let whole = Files::of(&home.data)?;
        for region in ["us-west", "eu-west"] {
            let folder = format!("cells/{region}/index");
            let files = whole.in_folder(&folder, "");
            if files.is_empty() {
                return Err(format!("{folder} is empty"));
            }
            for file in files {
                let bytes = whole.bytes(file);
                let mut flipped = bytes.to_vec();
                let middle = bytes.len() / 2;
                if let Some(byte) = flipped.get_mut(middle) {
                    *byte ^= 1;
                }
                for (what, new) in [("a bit flipped", &*flipped), ("cut in half", &bytes[..middle]), ("emptied", b"")] {
                    fs::write(home.data.join(file), new).map_err(|error| format!("{}: {error}", file.display()))?;
                    let outcome = same_again(home, &whole, &mut clients);
                    let file = file.display();
                    tally.check(
                        format!("{what}, {file}: the archive stays the same, and duplicates are found"),
                        outcome,
                    );
                    whole.restore(&home.data)?;
                }
            }
        }
        for gone in ["index", "archive"] {
            for region in ["us-west", "eu-west"] {
                let folder = home.data.join("cells").join(region).join(gone);
                fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            }
            let outcome = same_again(home, &whole, &mut clients);
            tally.check(format!("no {gone} folder at all: the archive is the same, and duplicates are found"), outcome);
            whole.restore(&home.data)?;
        }
        Ok(())
    });
}

/// Starts, sends everything once more, stops: the archive must have what it had, file by file, and the balance sheet must
/// call all of the rest duplicates.
fn same_again(home: &Home, whole: &Files, clients: &mut [Client]) -> Result<(), String> {
    let up = home.start_ready()?;
    for client in clients.iter_mut() {
        client.reconnect()?;
        client.send_all_again()?;
    }
    up.stop()?;
    let mut book = Book::of(&home.data);
    book.read(clients)?;
    book.holds(clients)?;
    let now = Files::of(&home.data)?;
    for region in ["us-west", "eu-west"] {
        let archive = Path::new("cells").join(region).join("archive/segment-logs");
        now.in_part(&archive).same_as(&whole.in_part(&archive)).map_err(|changes| format!("{region}: {changes}"))?;
    }
    let up = home.start_ready()?;
    let (mut accepted, mut duplicate) = (0, 0);
    for region in ["us-west", "eu-west"] {
        let sheet = crate::sheet::Sheet::of(&home.balance()?, region)?;
        (accepted, duplicate) = (accepted + sheet.accepted, duplicate + sheet.duplicate);
    }
    up.stop()?;
    let sent = promises(clients) as u64;
    if (accepted, duplicate) == (2 * sent, sent) {
        Ok(())
    } else {
        Err(format!("sent {sent} twice; the balance sheet has {accepted} accepted, {duplicate} duplicates"))
    }
}

//! Files of a closed cell that were changed: the start stops, says which file and where, and changes nothing. Put back, it
//! starts, and nothing is lost.

use crate::archive::await_archived;
use crate::faults::book::{Book, Client};
use crate::faults::files::Files;
use crate::faults::usage::ends;
use crate::tally::Tally;
use crate::up::Home;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const END_MAX: Duration = Duration::from_secs(30);
/// Each run begins a segment of its own in each log.
const RUNS: u64 = 4;

/// What is done to a file of a data folder, and can be taken back.
enum Change {
    /// One bit of the byte at this part of the file's length: 0, 1/2 or the like.
    Flip {
        file: PathBuf,
        at: u64,
    },
    CutOff {
        file: PathBuf,
        bytes: u64,
    },
    Remove {
        file: PathBuf,
    },
    RemoveAll {
        folder: PathBuf,
    },
    Swap {
        one: PathBuf,
        other: PathBuf,
    },
}

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "damage", &[], |tally, home| {
        let mut clients = Vec::new();
        for run in 0..RUNS {
            let up = home.start_ready()?;
            let mut all = Client::of_all(&home.demo()?, &format!("run{run}"))?;
            all.iter_mut().try_for_each(|client| client.send_good(6))?;
            clients.extend(all);
            let mut book = Book::of(&home.data);
            await_archived(home, up, || book.read(&clients))?;
        }
        let whole = Files::of(&home.data)?;
        for (what, change, said) in cases(&whole)? {
            let outcome = stops_and_starts(home, &whole, &change, &said, &clients);
            tally.check(
                format!("{what}: exit code 3 with file and place, nothing changed; put back, all is there"),
                outcome,
            );
            whole.restore(&home.data)?;
        }
        let outcome = unread(home, &whole, &clients);
        tally.check("a bit flipped in a part of the accepted log that nobody reads any more does no harm", outcome);
        Ok(())
    });
}

fn cases(whole: &Files) -> Result<Vec<(String, Change, Vec<String>)>, String> {
    let mut cases = Vec::new();
    let mut case = |what: &str, change: Change, file: &Path, place: &str| {
        let said = vec![file.to_string_lossy().into_owned(), place.to_owned()];
        cases.push((format!("{what}, {}", file.display()), change, said));
    };
    // In the last cell, too: by then the first one must not have been opened.
    for region in ["us-west", "eu-west"] {
        for log in ["accepted", "events"] {
            let folder = format!("cells/{region}/{log}");
            let segments = whole.in_folder(&folder, ".log");
            let [first, second, .., last] = segments[..] else { return Err(format!("{folder}: too few segments")) };
            let file = last.to_owned();
            let middle = whole.bytes(last).len() as u64 / 2;
            case(
                "a bit flipped in the middle",
                Change::Flip { file: file.clone(), at: middle },
                last,
                "damage at byte",
            );
            case("a bit of the header flipped", Change::Flip { file: file.clone(), at: 20 }, last, "damage at byte 0");
            case("cut short", Change::CutOff { file, bytes: 10 }, last, "damage at byte");
            case(
                "an older one cut short",
                Change::CutOff { file: second.to_owned(), bytes: 1 },
                second,
                "damage at byte",
            );
            case(
                "one in the middle is gone",
                Change::Remove { file: second.to_owned() },
                segments[2],
                "damage at byte",
            );
            let swap = Change::Swap { one: first.to_owned(), other: second.to_owned() };
            case("two swapped", swap, first, "damage at byte");
            let closed = Path::new(&folder).join("closed");
            case("a bit flipped", Change::Flip { file: closed.clone(), at: 3 }, &closed, "damage at byte");
        }
        for (name, at, place) in
            [("control.db", 3, "control.db"), ("keys/region.key", 30, "not a key file of this folder")]
        {
            let file = Path::new("cells").join(region).join(name);
            case("a bit flipped", Change::Flip { file: file.clone(), at }, &file, place);
        }
        let key = whole.in_folder(&format!("cells/{region}/keys"), ".key");
        let key = key.iter().find(|file| file.to_string_lossy().contains("data-")).ok_or("no data key")?;
        case("a bit flipped", Change::Flip { file: key.to_path_buf(), at: 40 }, key, "not a key file of this folder");
        let keys = Path::new("cells").join(region).join("keys");
        let region_key = keys.join("region.key");
        case("gone", Change::Remove { file: region_key.clone() }, &region_key, "missing");
        case("gone with all other keys", Change::RemoveAll { folder: keys }, &region_key, "missing");
    }
    let spool = whole.in_folder("ingest/singapore/spool", ".log");
    let last = *spool.last().ok_or("no spool")?;
    let middle = whole.bytes(last).len() as u64 / 2;
    case("a bit flipped in the middle", Change::Flip { file: last.to_owned(), at: middle }, last, "damage at byte");
    Ok(cases)
}

fn stops_and_starts(
    home: &Home,
    whole: &Files,
    change: &Change,
    said: &[String],
    clients: &[Client],
) -> Result<(), String> {
    change.make(&home.data)?;
    let before = Files::of(&home.data)?;
    let ended = home.start().map_err(|error| error.to_string())?.ended(END_MAX)?;
    let said: Vec<_> = said.iter().map(String::as_str).chain(["mend:"]).collect();
    ends(&ended, 3, &said)?;
    before.same_as(&Files::of(&home.data)?)?;
    change.take_back(&home.data, whole)?;
    starts_whole(home, clients)
}

fn starts_whole(home: &Home, clients: &[Client]) -> Result<(), String> {
    home.start_ready()?.stop()?;
    let mut book = Book::of(&home.data);
    book.read(clients)?;
    book.holds(clients)
}

/// A segment whose requests are decided and archived is read by nobody, and so its damage is not seen.
fn unread(home: &Home, whole: &Files, clients: &[Client]) -> Result<(), String> {
    let segments = whole.in_folder("cells/us-west/accepted", ".log");
    let file = segments.first().ok_or("no segment")?.to_path_buf();
    let at = whole.bytes(&file).len() as u64 / 2;
    Change::Flip { file, at }.make(&home.data)?;
    starts_whole(home, clients)
}

impl Change {
    fn make(&self, data: &Path) -> Result<(), String> {
        let open = |file: &Path| {
            let path = data.join(file);
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        let done = match self {
            Self::Flip { file, at } => {
                let mut byte = [0];
                let file = open(file)?;
                file.read_exact_at(&mut byte, *at).and_then(|()| file.write_all_at(&[byte[0] ^ 1], *at))
            }
            Self::CutOff { file, bytes } => {
                let file = open(file)?;
                file.metadata().and_then(|now| file.set_len(now.len() - bytes))
            }
            Self::Remove { file } => fs::remove_file(data.join(file)),
            Self::RemoveAll { folder } => fs::remove_dir_all(data.join(folder)),
            Self::Swap { one, other } => {
                let [one, other, aside] = [data.join(one), data.join(other), data.join("aside")];
                fs::rename(&one, &aside)
                    .and_then(|()| fs::rename(&other, &one))
                    .and_then(|()| fs::rename(&aside, &other))
            }
        };
        done.map_err(|error| format!("could not do the damage: {error}"))
    }

    /// Puts the changed files back, and nothing else.
    fn take_back(&self, data: &Path, whole: &Files) -> Result<(), String> {
        let put = |file: &Path| {
            let path = data.join(file);
            fs::create_dir_all(path.parent().unwrap_or(data))
                .and_then(|()| fs::write(&path, whole.bytes(file)))
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        match self {
            Self::Flip { file, .. } | Self::CutOff { file, .. } | Self::Remove { file } => put(file),
            Self::RemoveAll { folder } => whole.in_folder(&folder.to_string_lossy(), "").into_iter().try_for_each(put),
            Self::Swap { one, other } => put(one).and_then(|()| put(other)),
        }
    }
}

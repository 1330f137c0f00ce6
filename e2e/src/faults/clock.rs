//! A wall clock that jumps by a year: nothing is refused, lost or doubled, and `receivedAt` says what the clock says.

use crate::faults::book::{Book, Client, close};
use crate::faults::preload::FalseClock;
use crate::tally::Tally;
use crate::up::{Home, Up};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const YEAR_DAYS: i64 = 365;
const DAY_S: i64 = 24 * 3600;

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "clock", &[], |tally, home| {
        let clock = match FalseClock::find(&home.folder) {
            Ok(clock) => clock,
            Err(why) => {
                tally.skip("a wall clock that jumps", why);
                return Ok(());
            }
        };
        let mut run = Run { home, clock, clients: Vec::new() };
        run.jumps(tally)
    });
}

struct Run<'a> {
    home: &'a Home,
    clock: FalseClock,
    /// Each with how many days the clock was off when they sent.
    clients: Vec<(i64, Client)>,
}

impl Run<'_> {
    fn jumps(&mut self, tally: &mut Tally) -> Result<(), String> {
        let mut up = self.start(0)?;
        tally.check("before any jump: events are taken", self.send("a", 0));
        self.clock.set(-YEAR_DAYS)?;
        tally.check("a year back while it runs: events are taken, and old ones again", self.send("b", -YEAR_DAYS));
        self.clock.set(YEAR_DAYS)?;
        tally.check("two years ahead while it runs: events are taken, and old ones again", self.send("c", YEAR_DAYS));
        self.clock.set(0)?;
        tally.check("back to the true time while it runs: events are taken, and old ones again", self.send("d", 0));
        up = self.compare(tally, up, "jumps while it runs", -YEAR_DAYS)?;
        tally.check("a year back across a restart: events are taken, and old ones again", self.send("e", -YEAR_DAYS));
        // A year passes for the log, as if the program had been down for so long: what is older is outside the dedup window.
        up = self.compare(tally, up, "a year back across a restart", YEAR_DAYS)?;
        let old = std::mem::take(&mut self.clients);
        tally.check("two years ahead across a restart: events are taken", self.send("f", YEAR_DAYS));
        tally.check("and the same again", self.send("g", YEAR_DAYS));
        let new = std::mem::replace(&mut self.clients, old);
        self.clients.extend(new);
        up = self.compare(tally, up, "two years ahead across a restart", 0)?;
        tally.check("two years ahead and back across restarts: events are taken, and those since then again", {
            let old: Vec<_> = self.clients.drain(..).collect();
            let (since, before): (Vec<_>, Vec<_>) =
                old.into_iter().partition(|(_, client)| client.is_named(&["f", "g"]));
            self.clients = since;
            let sent = self.send("h", 0);
            self.clients.extend(before);
            sent
        });
        let up = self.compare(tally, up, "ahead and back across restarts", 0)?;
        let calm = if up.said().contains("panicked") { Err("it panicked") } else { Ok(()) };
        tally.check("no jump makes it panic", calm);
        up.stop()
    }

    fn start(&self, days: i64) -> Result<Up, String> {
        self.clock.set(days)?;
        let mut command = self.home.up();
        self.clock.stand_before(&mut command);
        self.home.spawn_ready(command)
    }

    /// New events at each point, and everything from before once more.
    fn send(&mut self, name: &str, days: i64) -> Result<(), String> {
        let mut new = Client::of_all(&self.home.demo()?, name)?;
        new.iter_mut().try_for_each(|client| client.send_good(4))?;
        for (_, client) in &mut self.clients {
            client.reconnect()?;
            client.send_all_again()?;
        }
        self.clients.extend(new.into_iter().map(|client| (days, client)));
        Ok(())
    }

    /// Stops, compares, and starts with the clock so many days off.
    fn compare(&mut self, tally: &mut Tally, up: Up, what: &str, days: i64) -> Result<Up, String> {
        let (offsets, clients): (Vec<_>, Vec<_>) = self.clients.drain(..).unzip();
        let said = up.said();
        if said.contains("panicked") {
            return Err(format!("it panicked: {said}"));
        }
        let book = close(tally, self.home, up, what, &clients)?;
        let times = clients.iter().zip(&offsets).try_for_each(|(client, days)| follows(&book, client, *days));
        tally.check(format!("{what}: receivedAt is the wall clock's"), times);
        self.clients = offsets.into_iter().zip(clients).collect();
        self.start(days)
    }
}

/// That a client's events were received so many days from now, give or take one.
fn follows(book: &Book, client: &Client, days: i64) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    let around = [-1, 0, 1].map(|day| date(now / DAY_S + days + day));
    for id in client.ids(client.sent()) {
        for line in book.lines(&id) {
            if !around.iter().any(|date| line.received_at.starts_with(date)) {
                return Err(format!("{id} was received at {}, expected about {}", line.received_at, around[1]));
            }
        }
    }
    Ok(())
}

/// `2026-11-24` of days since 1970.
fn date(days: i64) -> String {
    let (mut year, mut left) = (1970, days);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= months[month] {
        left -= months[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, left + 1)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_since_1970_are_dates() {
        for (days, expected) in [(0, "1970-01-01"), (59, "1970-03-01"), (19_782, "2024-02-29"), (20_781, "2026-11-24")]
        {
            assert_eq!(date(days), expected);
        }
    }
}

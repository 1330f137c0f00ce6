//! A name server that lies as it is told: another answer each time, several addresses at once, and nothing that may be kept (TTL 0).
//!
//! It answers `A` over UDP. A name that it does not know does not exist; of one that it knows there is no other record.

use super::lab::Lab;
use std::collections::HashMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

const PORT: u16 = 53;
const A: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// One answer: all its addresses.
pub type Answer = Vec<Ipv4Addr>;

/// A running server. It ends with the program.
pub struct Dns {
    names: Arc<Mutex<Names>>,
}

#[derive(Default)]
struct Names {
    /// The answers that are left; the last one stays.
    answers: HashMap<String, Vec<Answer>>,
    asked: HashMap<String, u32>,
}

impl Dns {
    pub fn start(lab: &Lab, host: &str) -> Result<Self, String> {
        let address = lab.address(host)?;
        let socket = lab
            .on(host, || UdpSocket::bind((address, PORT)))?
            .map_err(|error| format!("the name server at {address}: {error}"))?;
        let names = Arc::new(Mutex::new(Names::default()));
        let served = Arc::clone(&names);
        thread::spawn(move || serve(&socket, &served));
        Ok(Self { names })
    }

    /// The first look-up gets the first answer, the next one the next, and all later ones the last.
    pub fn tell(&self, name: &str, mut answers: Vec<Answer>) {
        answers.reverse();
        lock(&self.names).answers.insert(name.to_owned(), answers);
    }

    /// How often somebody asked for the name's addresses.
    pub fn asked(&self, name: &str) -> u32 {
        lock(&self.names).asked.get(name).copied().unwrap_or_default()
    }
}

fn serve(socket: &UdpSocket, names: &Mutex<Names>) {
    let (mut query, mut told) = ([0; 1500], HashMap::new());
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        let query = &query[..length];
        // A query that is sent once more, because its answer did not come, gets the same one.
        let again = told.get(&(from, query.to_vec())).cloned();
        if let Some(answer) = again.or_else(|| answer(query, &mut lock(names))) {
            told.insert((from, query.to_vec()), answer.clone());
            // Whoever did not get it asks again.
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// What to send back; `None` for what is no query for one name.
fn answer(query: &[u8], names: &mut Names) -> Option<Vec<u8>> {
    let is_query = query.get(2)? & 0x80 == 0;
    if !is_query || query.get(4..6)? != [0, 1] {
        return None;
    }
    let (name, end) = name(query)?;
    let kind = u16::from_be_bytes(query.get(end..end + 2)?.try_into().ok()?);
    let question = query.get(12..end + 4)?;
    let known = names.answers.contains_key(&name);
    let addresses = if kind == A { names.next(&name) } else { Answer::new() };
    let mut answer = query[..2].to_vec();
    // An answer of who is the name's own server; no further look-ups.
    answer.extend([0x84, if known { 0 } else { NO_SUCH_NAME }, 0, 1]);
    answer.extend((addresses.len() as u16).to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(question);
    for address in addresses {
        // The question's name, A, IN, TTL 0, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

impl Names {
    fn next(&mut self, name: &str) -> Answer {
        *self.asked.entry(name.to_owned()).or_default() += 1;
        match self.answers.get_mut(name) {
            Some(left) if left.len() > 1 => left.pop().unwrap_or_default(),
            Some(left) => left.last().cloned().unwrap_or_default(),
            None => Answer::new(),
        }
    }
}

/// The name asked for, in lower case, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        match usize::from(*query.get(at)?) {
            0 => return Some((labels.join("."), at + 1)),
            length @ 1..=63 => {
                labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
                at += 1 + length;
            }
            _ => return None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A query for the addresses of a name, as a resolver sends it.
pub fn query(name: &str) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(names: &mut Names, name: &str) -> Vec<String> {
        let answer = answer(&query(name), names).unwrap();
        let count = usize::from(answer[7]);
        let records = &answer[answer.len() - 16 * count..];
        records
            .chunks(16)
            .map(|record| format!("{}.{}.{}.{}", record[12], record[13], record[14], record[15]))
            .collect()
    }

    #[test]
    fn a_name_has_another_answer_each_time_and_keeps_the_last() {
        let dns = Dns { names: Arc::default() };
        let [a, b] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        dns.tell("turns.test", vec![vec![a], vec![a, b], vec![b]]);
        let mut names = lock(&dns.names);
        let told: Vec<_> = (0..4).map(|_| addresses(&mut names, "Turns.TEST")).collect();
        assert_eq!(told, [vec!["10.0.0.1"], vec!["10.0.0.1", "10.0.0.2"], vec!["10.0.0.2"], vec!["10.0.0.2"]]);
        drop(names);
        assert_eq!((dns.asked("turns.test"), dns.asked("other.test")), (4, 0));
    }

    #[test]
    fn what_is_unknown_does_not_exist_and_what_is_no_query_is_not_answered() {
        let mut names = Names::default();
        assert_eq!(answer(&query("other.test"), &mut names).unwrap()[3], NO_SUCH_NAME);
        let good = query("a.test");
        for cut in 0..good.len() {
            assert_eq!(answer(&good[..cut], &mut names), None, "{cut}");
        }
        let mut pointer = good.clone();
        pointer[12] = 0xc0;
        assert_eq!(answer(&pointer, &mut names), None);
    }
}

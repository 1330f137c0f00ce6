//! The book of what was sent and what was promised, and the comparison with what is on disk.

use domicile_log::{AcceptedLog, Position, Span};
use std::collections::{BTreeMap, HashMap};

/// - Every promised request is on disk, at the span that was promised.
/// - Whatever else is on disk was sent, as it was sent, and once.
/// - Spans have no gap, and each sender's requests are in the order in which it sent them.
#[derive(Default)]
pub struct Book {
    /// By body, which no two requests share: sender, how many that sender sent before, events.
    sent: HashMap<Vec<u8>, (u32, u32, u64)>,
    promised: BTreeMap<Position, (Span, Vec<u8>)>,
    refused: HashMap<Vec<u8>, String>,
}

impl Book {
    /// Before the request is handed over: from now on it may be on disk.
    pub fn sends(&mut self, sender: u32, body: &[u8], events: u64) {
        let before = self.sent.values().filter(|(who, ..)| *who == sender).count() as u32;
        let known = self.sent.insert(body.to_vec(), (sender, before, events));
        assert!(known.is_none(), "the test sends one body twice");
    }

    /// The log said yes.
    pub fn promised(&mut self, span: Span, body: &[u8]) {
        let (_, _, events) = self.sent[body];
        assert_eq!(span.events(), events, "the span has one position for each event");
        let before = self.promised.insert(span.first, (span, body.to_vec()));
        assert!(before.is_none(), "position {} was given twice", span.first);
    }

    /// The log said no: nothing of it may ever be seen.
    pub fn refused(&mut self, body: &[u8], why: impl ToString) {
        self.refused.insert(body.to_vec(), why.to_string());
    }

    pub fn promises(&self) -> usize {
        self.promised.len()
    }

    /// What was sent and neither promised nor refused: its fate is open.
    pub fn open(&self) -> usize {
        self.sent.len() - self.promised.len() - self.refused.len()
    }

    /// Compares the book with all that the log has, read from its start.
    ///
    /// # Panics
    /// With what does not hold.
    pub fn check(&self, log: &AcceptedLog) {
        let mut reader = log.reader(log.start()).expect("the log can be read");
        let mut next = log.start();
        let mut last_of = HashMap::new();
        let mut seen = HashMap::new();
        while let Some(accepted) = reader.next().expect("nothing is damaged") {
            let span = accepted.span;
            assert_eq!(span.first, next, "a gap or an overlap");
            next = span.end;
            let Some(&(sender, nth, events)) = self.sent.get(accepted.body()) else {
                panic!("{span:?} was never sent: {} bytes", accepted.body().len())
            };
            assert_eq!(events, span.events(), "{span:?} has another number of events than what was sent");
            if let Some(why) = self.refused.get(accepted.body()) {
                panic!("{span:?} was refused ({why}), and is there");
            }
            if let Some(before) = seen.insert(accepted.body().to_vec(), span) {
                panic!("{span:?} is there twice, first at {before:?}");
            }
            let last = last_of.insert(sender, nth);
            assert!(last.is_none_or(|last| last < nth), "{span:?}: sender {sender}'s order was not kept");
        }
        assert_eq!(next, log.end(), "the reader does not come to the end");
        for (span, body) in self.promised.values().filter(|(span, _)| span.first >= log.start()) {
            assert_eq!(seen.get(body), Some(span), "promised, and not there: the log is {}..{next}", log.start());
        }
    }
}

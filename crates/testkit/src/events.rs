//! Sample events: the six calls, with the odd values that real senders send.

use crate::Dice;
use domicile_event::Call;
use std::fmt::Write;

/// JSON values whose spelling has to survive, or that break careless parsers. All are valid JSON.
pub const ODD_VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "1.0",
    "1.50",
    "1E2",
    "1e-7",
    "1e400",
    "12345678901234567890123456789",
    "0.1000000000000000055511151231257827",
    r#""""#,
    r#"" ""#,
    r#""a\/b""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""\ud83d\ude00""#,
    r#""😀 ünïcödé 漢字""#,
    "\"line\u{2028}separator\"",
    r#""</script><img src=x onerror=alert(1)>""#,
    r#""=cmd|' /C calc'!A0""#,
    r#""'; drop table events; --""#,
    r#""%00 %2e%2e/ ../../etc/passwd""#,
    "[]",
    "{}",
    "[[],[[]],[[[]]]]",
    r#"{"":1}"#,
    r#"{"z":1,"a":2,"m":3}"#,
    r#"{"$set":{"a.b":1},"__proto__":{"x":1}}"#,
    r#"[null,false,1.0,"1.0"]"#,
];

/// One event, as a client would make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleEvent {
    /// Below 100 characters, the same for no two events of one generator.
    pub message_id: String,
    pub user_id: String,
    pub call: Call,
    /// The JSON object, without a line break.
    pub json: String,
}

/// An endless row of sample events; the same for the same name and seed.
#[derive(Clone, Debug)]
pub struct SampleEvents {
    name: String,
    dice: Dice,
    made: u64,
    users: u64,
}

impl SampleEvents {
    /// `name` begins the messageId of each event; generators of different names never make the same one.
    pub fn new(name: &str, seed: u64) -> Self {
        Self { name: name.into(), dice: Dice::new(seed), made: 0, users: 20 }
    }

    /// The next `n` events.
    pub fn batch(&mut self, n: usize) -> Vec<SampleEvent> {
        self.take(n).collect()
    }

    fn make(&mut self) -> SampleEvent {
        let message_id = format!("{}-{:08}", self.name, self.made);
        let user_id = format!("user-{}", self.dice.below(self.users));
        self.made += 1;
        let call = *self.dice.pick(&[Call::Track, Call::Track, Call::Track, Call::Page, Call::Identify, Call::Group]);
        let call = if self.dice.percent(5) { *self.dice.pick(&Call::ALL) } else { call };
        let values = self.values();
        let rest = match call {
            Call::Track => format!(r#""event":"Order Completed","properties":{values}"#),
            Call::Page | Call::Screen => format!(r#""name":"Home","category":null,"properties":{values}"#),
            Call::Identify => format!(r#""traits":{values}"#),
            Call::Group => format!(r#""groupId":"group-{}","traits":{values}"#, self.dice.below(5)),
            Call::Alias => r#""previousId":"anonymous-1""#.into(),
        };
        let second = self.made % 60;
        let json = format!(
            r#"{{"type":"{call}","messageId":"{message_id}","userId":"{user_id}","timestamp":"2027-01-15T07:59:{second:02}.123Z",{rest},"context":{{"library":{{"name":"testkit","version":"1"}}}}}}"#,
            call = call.as_str(),
        );
        SampleEvent { message_id, user_id, call, json }
    }

    /// An object of 0 to 7 odd values; once in a while a long one.
    fn values(&mut self) -> String {
        let mut out = String::from("{");
        for nth in 0..self.dice.below(8) {
            let comma = if nth == 0 { "" } else { "," };
            // Writing to a string can't fail.
            let _ = write!(out, r#"{comma}"odd {nth}":{}"#, self.dice.pick(ODD_VALUES));
        }
        if self.dice.percent(3) {
            let comma = if out.len() == 1 { "" } else { "," };
            let _ = write!(out, r#"{comma}"long":"{}""#, "long ".repeat(self.dice.index(2_000)));
        }
        out.push('}');
        out
    }
}

impl Iterator for SampleEvents {
    type Item = SampleEvent;

    fn next(&mut self) -> Option<SampleEvent> {
        Some(self.make())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_makes_the_same_events_and_no_two_the_same_id() {
        let events = SampleEvents::new("web", 7).batch(500);
        assert_eq!(events, SampleEvents::new("web", 7).batch(500));
        assert_eq!(events.iter().map(|e| &e.message_id).collect::<HashSet<_>>().len(), 500);
        assert!(events.iter().all(|e| !e.json.contains('\n') && e.json.len() < 32 * 1024));
        assert!(Call::ALL.iter().all(|call| events.iter().any(|e| e.call == *call)));
    }
}

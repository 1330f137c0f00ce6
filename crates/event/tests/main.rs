//! The crate from outside: text in, text out.

mod finish;
mod oracle;
mod reduce;
mod rules;
mod scanning;

/// A finished event's own additions, the same in every test that does not say otherwise.
fn additions() -> domicile_event::Additions<'static> {
    domicile_event::Additions {
        received_at: domicile_event::parse_time("2026-11-23T14:00:00Z").unwrap(),
        sent_at: None,
        context: None,
        integrations: None,
        ip: None,
        message_id: Some("made-1"),
        project_id: "src1",
    }
}

/// The finished event of one item, or the rule that it breaks.
fn finished(raw: &str, add: &domicile_event::Additions<'_>) -> String {
    match domicile_event::read(raw.as_bytes(), None) {
        Ok(facts) => {
            let mut out = Vec::new();
            facts.write(&mut out, add);
            String::from_utf8(out).unwrap()
        }
        Err(wrong) => format!("{wrong:?}"),
    }
}

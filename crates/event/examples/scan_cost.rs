//! What an event costs here, in nanoseconds: `cargo run --release -p domicile-event --example scan_cost`.
//!
//! A batch of 50 events of about 850 bytes, as a browser sends them. Copying and the UTF-8 check alone stand beside, as
//! the floor. Each figure is the least and the median of several rounds.

use domicile_event::{Additions, Batch, Context, field, parse_time, read, scan_batch};
use std::hint::black_box;
use std::time::Instant;

const EVENTS: usize = 50;
const ROUNDS: usize = 61;
const PASSES: usize = 50;

fn event(n: usize) -> String {
    format!(
        r#"{{"timestamp":"2026-11-23T10:00:00.{ms:03}Z","integrations":{{"Segment.io":true}},"userId":"user-{n:06}","anonymousId":"5f0c1e0e-8e0a-4c43-b3ab-{n:012}","event":"Order Completed","type":"track","properties":{{"orderId":"o-{n:08}","total":{n}.50,"currency":"EUR","coupon":null,"items":[{{"sku":"A-1001","name":"Blaue Tasse \u00fc","quantity":2,"price":12.50}},{{"sku":"B-2002","name":"Kanne","quantity":1,"price":31.00}}]}},"context":{{"page":{{"path":"/checkout","referrer":"https://shop.example.com/cart","search":"","title":"Checkout – Shop","url":"https://shop.example.com/checkout"}},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0","locale":"de-DE","library":{{"name":"analytics.js","version":"npm:next-1.84.3"}},"timezone":"Europe/Berlin"}},"messageId":"ajs-next-1763892000{ms:03}-{n:08}-1b2c-4d3e"}}"#,
        ms = n % 1000,
    )
}

fn main() {
    let events: Vec<String> = (0..EVENTS).map(event).collect();
    let body =
        format!(r#"{{"batch":[{}],"sentAt":"2026-11-23T10:00:01.000Z","writeKey":"euw_a1b2c3d4"}}"#, events.join(","))
            .into_bytes();
    println!(
        "{EVENTS} events, {} bytes each with their share of the envelope; ns/event, least and median",
        body.len() / EVENTS
    );

    let mut copy = vec![0; body.len()];
    measure("memcpy", || copy.copy_from_slice(black_box(&body)));
    measure("from_utf8", || _ = black_box(std::str::from_utf8(black_box(&body))));
    measure("scan_batch", || drop(black_box(scan_batch(black_box(&body)))));

    let Ok(Batch { envelope, .. }) = scan_batch(&body) else { panic!("the sample is no batch") };
    let items: Vec<&[u8]> = envelope.items.iter().map(|item| &body[item.start as usize..item.end as usize]).collect();
    let shared = br#"{"library":{"name":"analytics-go","version":"3.0.0"}}"#;
    let additions = Additions {
        received_at: parse_time("2026-11-23T10:00:01.250Z").unwrap_or_default(),
        sent_at: Some(br#""2026-11-23T10:00:01.000Z""#),
        context: None,
        integrations: None,
        ip: Some([203, 0, 113, 7].into()),
        message_id: None,
        project_id: "8gWcXfJ1kLmNoPqRsTuVwx",
    };
    let with_shared = Additions { context: Some(shared), ..additions };
    let mut out = Vec::with_capacity(2 * body.len());
    measure("read", || {
        for item in &items {
            drop(black_box(read(black_box(item), None)));
        }
    });
    for (name, additions) in [("read + write", &additions), ("read + write, shared context", &with_shared)] {
        measure(name, || {
            out.clear();
            for item in &items {
                if let Ok(facts) = read(black_box(item), None) {
                    facts.write(&mut out, additions);
                }
            }
            black_box(&out);
        });
    }
    measure("Context::read of the shared one", || {
        for _ in &items {
            black_box(Context::read(black_box(shared)));
        }
    });
    let mut finished = Vec::new();
    if let Ok(facts) = read(items[0], None) {
        facts.write(&mut finished, &additions);
    }
    measure("field, of a finished event's end", || {
        for _ in &items {
            black_box(field(black_box(&finished), &["projectId"]));
        }
    });
}

fn measure(name: &str, mut pass: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..PASSES).for_each(|_| pass());
            start.elapsed().as_nanos() as f64 / (PASSES * EVENTS) as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:<34} {:>7.0} {:>7.0}", rounds[0], rounds[ROUNDS / 2]);
}

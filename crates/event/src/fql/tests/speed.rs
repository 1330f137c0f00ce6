//! What an evaluation costs.

use super::*;
use std::time::Instant;

/// Prints evaluations per second: `cargo test --release -p domicile-event -- --ignored fql_speed --nocapture`.
#[test]
#[ignore = "a measurement, for release builds"]
fn fql_speed() {
    let finished = |order: &str| {
        let properties = r#""properties":{"orderId":"o-00012345","total":31.50,"currency":"EUR","coupon":null,"items":[{"sku":"A-1001","name":"Blaue Tasse","quantity":2,"price":12.50},{"sku":"B-2002","name":"Kanne","quantity":1,"price":31.00}]}"#;
        let context = r#""context":{"page":{"path":"/checkout","referrer":"https://shop.example.com/cart","search":"","title":"Checkout","url":"https://shop.example.com/checkout"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0","locale":"de-DE","library":{"name":"analytics.js","version":"npm:next-1.84.3"},"ip":"203.0.113.7"}"#;
        let head = r#""type":"track","event":"Order Completed","userId":"user-000123","anonymousId":"5f0c1e0e-8e0a-4c43-b3ab-000000000123","timestamp":"2026-11-23T10:00:00.123Z""#;
        let (second, third) = if order == "properties first" { (properties, context) } else { (context, properties) };
        format!(
            r#"{{{head},{second},{third},"messageId":"ajs-next-1763892000123-00000123","receivedAt":"2026-11-23T10:00:01.250Z"}}"#
        )
    };
    let filters = [
        ("three clauses, all true", "type = 'track' and event = 'Order Completed' and properties.total > 20"),
        ("three clauses, first false", "type = 'page' and event = 'Order Completed' and properties.total > 20"),
        (
            "three clauses with match and in",
            "match(event, 'Order *') and properties.currency in ['EUR', 'USD'] and !contains(context.ip, '10.')",
        ),
        ("a field that is missing", "properties.missing = 'x' or traits.missing = 'x' or missing = 'x'"),
    ];
    for order in ["properties first", "context first"] {
        let event = finished(order);
        for (name, text) in filters {
            let expression = parse(text);
            let rounds = 200_000;
            let best = (0..7)
                .map(|_| {
                    let start = Instant::now();
                    for _ in 0..rounds {
                        std::hint::black_box(expression.eval(std::hint::black_box(event.as_bytes())));
                    }
                    start.elapsed()
                })
                .min()
                .unwrap();
            let each = best.as_secs_f64() / f64::from(rounds);
            println!("{order}, {} bytes, {name}: {:.0} ns, {:.2} million/s", event.len(), each * 1e9, 1e-6 / each);
        }
    }
}

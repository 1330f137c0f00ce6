//! Structured logs on standard error: text for a terminal, one JSON object a line for everything else.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// `DOMICILE_LOG` filters (`info` by default), for example `DOMICILE_LOG=warn,domicile_process=debug`.
pub fn start() {
    let filter = EnvFilter::try_from_env("DOMICILE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        lines.compact().with_target(false).init();
    } else {
        lines.json().flatten_event(true).init();
    }
}

//! The attacks on the border, as data: what tests try here, `drill` tries on a running cell.
//!
//! 72 classes. A row is one concrete attack with what it must come to; a class that can't be tried here has a row that says
//! what holds instead, and where that is shown.
//!
//! The rows stand on: a region that allows all countries; [`NETWORKS`]; a destination that is declared to be in IE or US; the names
//! `trap.example`, which must not be reached, and `partner.example`; and [`OWN`], where the cell itself listens. Who tries
//! them on a running cell puts the cell's own addresses in the place of these.
//!
//! | class | about |
//! | --- | --- |
//! | 1 to 26 | forms of addresses |
//! | 27 to 40 | names and their answers |
//! | 41 to 52 | HTTP: answers and headers |
//! | 53 to 59 | forms of URLs |
//! | 60 to 65 | TLS |
//! | 66 to 72 | ways around |

use std::fmt;
use std::net::IpAddr;

/// One concrete attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attack {
    /// From 1 to [`CLASSES`].
    pub class: u8,
    pub kind: Kind,
    /// What it must come to. Of a refusal the code, often with what did not hold.
    pub expected: String,
}

pub const CLASSES: u8 = 72;

/// Private ranges that exist, and where they are.
pub const NETWORKS: [(&str, &str); 2] = [("10.20.0.0/16", "IE"), ("10.30.0.0/16", "US")];

/// Addresses at which the cell, a sister region's ingest point and the control plane listen.
pub const OWN: [&str; 3] = ["9.1.1.1:7443", "9.1.1.2:7101", "[2a00:1450::25]:7100"];

/// What a class is about.
pub fn about(class: u8) -> &'static str {
    match class {
        0..=26 => "forms of addresses",
        27..=40 => "names and their answers",
        41..=52 => "HTTP: answers and headers",
        53..=59 => "forms of URLs",
        60..=65 => "TLS",
        _ => "ways around",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A destination's URL.
    Url(String),
    /// A warehouse's URL.
    Database(String),
    /// What is answered to look-ups of a partner's name, one after the other, the last for ever. `pinned`: the connection
    /// goes to the first answer and to nothing else. `later …`: the second permit is refused.
    Names(Vec<Vec<IpAddr>>),
    /// What a partner answers, with places to fill in. Expected is the status, or how it fails; nothing else is opened.
    Answer(Answer),
    /// A header that a sender puts on its request: the request is not sent.
    Header { name: &'static str, value: &'static str },
    /// A certificate that is shown to who asked for a name: TLS fails.
    Certificate { shown: &'static str, asked: &'static str, years: (i32, i32), known: bool },
    /// A variable of the environment with the trap as its value: nobody asks it.
    Environment(&'static str),
    /// What holds instead, and where it is shown.
    Elsewhere(&'static str),
}

/// The bytes of an answer; then, for ever, those of `forever`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    bytes: Vec<u8>,
    forever: Vec<u8>,
}

impl Answer {
    /// `trap`, `honest`: the authorities (`127.0.0.1:9000`) of the host that must not be reached, and of the partner.
    pub fn filled(&self, trap: &str, honest: &str) -> (Vec<u8>, Vec<u8>) {
        let fill = |bytes| replaced(&replaced(bytes, b"{TRAP}", trap.as_bytes()), b"{HONEST}", honest.as_bytes());
        (fill(&self.bytes), fill(&self.forever))
    }

    /// Whether it names the trap.
    pub fn names_the_trap(&self) -> bool {
        [&self.bytes, &self.forever].into_iter().any(|bytes| bytes.windows(6).any(|window| window == b"{TRAP}"))
    }
}

/// All attacks, by kind.
pub fn all() -> Vec<Attack> {
    let mut all = Vec::new();
    for (class, url, expected) in rows(include_str!("attacks/urls.txt")) {
        all.push(Attack { class, kind: Kind::Url(spelled_out(url)), expected });
    }
    for (class, url, expected) in rows(include_str!("attacks/databases.txt")) {
        all.push(Attack { class, kind: Kind::Database(spelled_out(url)), expected });
    }
    for (class, answers, expected) in rows(include_str!("attacks/names.txt")) {
        all.push(Attack { class, kind: Kind::Names(answers.split(" then ").map(addresses).collect()), expected });
    }
    for line in include_str!("attacks/answers.txt").lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some(class), Some(expected), Some(answer)) = (parts.next(), parts.next(), parts.next()) else { continue };
        all.push(Attack { class: number(class), kind: Kind::Answer(answer_of(answer)), expected: expected.to_owned() });
    }
    all.extend(redirects());
    all.extend(HEADERS.iter().map(|&(name, value)| Attack {
        class: if name == "host" { 48 } else { 49 },
        kind: Kind::Header { name, value },
        expected: "request".to_owned(),
    }));
    all.extend(CERTIFICATES.iter().map(|&(shown, asked, years, known)| Attack {
        class: 60,
        kind: Kind::Certificate { shown, asked, years, known },
        expected: "tls".to_owned(),
    }));
    all.extend(VARIABLES.iter().map(|name| Attack {
        class: 66,
        kind: Kind::Environment(name),
        expected: "ignored".to_owned(),
    }));
    for line in include_str!("attacks/elsewhere.txt").lines() {
        let Some((class, instead)) = line.split_once(' ') else { continue };
        all.push(Attack { class: number(class), kind: Kind::Elsewhere(instead), expected: String::new() });
    }
    all
}

/// Every status that tells a client to go on, with every spelling of where.
fn redirects() -> impl Iterator<Item = Attack> {
    const STATUSES: [&str; 8] = ["300", "301", "302", "303", "305", "306", "307", "308"];
    const SPELLINGS: [&str; 10] = [
        "Location: http://{TRAP}/",
        "location:http://{TRAP}/",
        "LOCATION: HTTP://{TRAP}/",
        "Location: //{TRAP}/",
        r"Location: /\{TRAP}/",
        r"Location: \\{TRAP}\",
        "Location: http:{TRAP}/",
        "Location: http://{HONEST}@{TRAP}/",
        "Location: http:/\t/{TRAP}/",
        "Location:  \t http://{TRAP}/#http://{HONEST}/",
    ];
    STATUSES.into_iter().flat_map(|status| {
        SPELLINGS.into_iter().map(move |location| Attack {
            class: 41,
            kind: Kind::Answer(Answer {
                bytes: format!("HTTP/1.1 {status} Moved\r\n{location}\r\nContent-Length: 0\r\n\r\n").into_bytes(),
                forever: Vec::new(),
            }),
            expected: status.to_owned(),
        })
    })
}

/// What frames a message, routes it, or speaks for a proxy.
const HEADERS: &[(&str, &str)] = &[
    ("host", "trap.example"),
    ("transfer-encoding", "chunked"),
    ("transfer-encoding", "identity, chunked"),
    ("content-length", "5"),
    ("connection", "close"),
    ("connection", "x-signature"),
    ("keep-alive", "timeout=600"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAMAAABkAAQAAP__"),
    ("te", "trailers"),
    ("trailer", "host"),
    ("expect", "100-continue"),
    ("cookie", "session=1"),
    ("proxy-authorization", "Basic eDp5"),
    ("proxy-connection", "keep-alive"),
    ("proxy", "http://trap.example/"),
    ("forwarded", "host=trap.example"),
    ("via", "1.1 trap.example"),
    ("max-forwards", "0"),
    ("x-forwarded-host", "trap.example"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-server", "trap.example"),
    ("x-real-ip", "127.0.0.1"),
    ("x-http-method", "DELETE"),
    ("x-http-method-override", "CONNECT"),
    ("x-original-url", "http://trap.example/"),
    ("x-original-host", "trap.example"),
    ("x-rewrite-url", "/admin"),
    ("alt-svc", "h3=\"trap.example:443\""),
    ("alt-used", "trap.example"),
    ("origin", "https://trap.example"),
    ("referer", "https://trap.example/?email=a@b"),
    ("range", "bytes=0-"),
    ("sec-websocket-key", "eA=="),
];

/// Shown, asked for, the years from and until which it is valid, and whether its authority is known.
type CertificateRow = (&'static str, &'static str, (i32, i32), bool);

const CERTIFICATES: &[CertificateRow] = &[
    ("trap.example", "partner.example", (2020, 2090), true),
    ("example", "partner.example", (2020, 2090), true),
    ("partner.example.trap.example", "partner.example", (2020, 2090), true),
    ("*.partner.example", "partner.example", (2020, 2090), true),
    ("*.example", "a.partner.example", (2020, 2090), true),
    ("*", "partner.example", (2020, 2090), true),
    ("p*.example", "partner.example", (2020, 2090), true),
    ("partner.example", "partner.example", (2020, 2021), true),
    ("partner.example", "partner.example", (2089, 2090), true),
    ("partner.example", "partner.example", (2020, 2090), false),
    ("partner.example", "127.0.0.1", (2020, 2090), true),
    ("127.0.0.2", "127.0.0.1", (2020, 2090), true),
    ("127.0.0.1", "partner.example", (2020, 2090), true),
];

const VARIABLES: &[&str] = &[
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "SOCKS_PROXY",
    "CGI_HTTP_PROXY",
];

/// `CLASS  TEXT  EXPECTED`: the text is up to the last run of spaces of which what follows begins with a code.
fn rows(table: &'static str) -> impl Iterator<Item = (u8, &'static str, String)> {
    table.lines().filter_map(|line| {
        let (class, rest) = line.trim_start().split_once(' ')?;
        let at = EXPECTED.iter().filter_map(|code| rest.rfind(&format!(" {code}"))).min()?;
        Some((number(class), rest.get(..at)?.trim_end(), rest.get(at..)?.trim().to_owned()))
    })
}

const EXPECTED: [&str; 17] = [
    "url_invalid",
    "scheme_refused",
    "userinfo_refused",
    "host_invalid",
    "address_form",
    "address_refused",
    "port_refused",
    "own_address",
    "name_unresolved",
    "too_many_addresses",
    "country_contradicted",
    "country_undeclared",
    "country_refused",
    "country_witness",
    "plaintext_refused",
    "pinned",
    "later",
];

fn number(text: &str) -> u8 {
    text.parse().unwrap_or_default()
}

/// `nothing`, `many`, or addresses with spaces between.
fn addresses(text: &str) -> Vec<IpAddr> {
    match text.trim() {
        "many" => (1..=65).map(|last| IpAddr::from([9, 9, 9, last])).collect(),
        list => list.split(' ').filter_map(|address| address.parse().ok()).collect(),
    }
}

/// What can't stand in a text file, or not so that one sees it.
fn spelled_out(text: &str) -> String {
    let (long, huge) = (["a"; 64].concat(), format!("trap.example/{}", ["a"; 4_096].concat()));
    [
        ("{NOTHING}", ""),
        ("{TAB}", "\t"),
        ("{LF}", "\n"),
        ("{CR}", "\r"),
        ("{NUL}", "\0"),
        ("{DEL}", "\u{7f}"),
        ("{SPACE}", " "),
        ("{CYRILLIC_A}", "а"),
        ("{SOFT_HYPHEN}", "\u{ad}"),
        ("{ZERO_WIDTH}", "\u{200b}"),
        ("{RIGHT_TO_LEFT}", "\u{202e}"),
        ("{BOM}", "\u{feff}"),
        ("{64}", &long),
        ("{LONG}", &["a."; 130].concat()),
        ("{HUGE}", &huge),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (name, put)| text.replace(name, put))
}

fn answer_of(text: &str) -> Answer {
    let (bytes, forever) = text.split_once("{FOREVER}").unwrap_or((text, ""));
    Answer { bytes: unescaped(bytes), forever: unescaped(forever) }
}

/// `\r`, `\n`, `\t` and `\xHH`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let (byte, length) = match after.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b'x') => (after.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default(), 3),
            _ => (b'\\', 0),
        };
        out.push(byte);
        rest = after.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn replaced(bytes: &[u8], name: &[u8], put: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(name) {
            out.extend_from_slice(put);
            at += name.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// `class 3, URL http://2130706433/`: one line.
impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "class {}, ", self.class)?;
        match &self.kind {
            Kind::Url(url) => write!(f, "URL {}", shown(url)),
            Kind::Database(url) => write!(f, "database {}", shown(url)),
            Kind::Names(answers) => write!(f, "a name's answers {answers:?}"),
            Kind::Answer(answer) => {
                let forever = if answer.forever.is_empty() { "" } else { " for ever " };
                let (bytes, repeated) = (answer.bytes.escape_ascii(), answer.forever.escape_ascii());
                write!(f, "answer {bytes}{forever}{repeated}")
            }
            Kind::Header { name, value } => write!(f, "header {name}: {value}"),
            Kind::Certificate { shown, asked, years: (from, until), known } => {
                let authority = if *known { "" } else { " of an unknown authority" };
                write!(f, "certificate for {shown} from {from} to {until}{authority}, asked for {asked}")
            }
            Kind::Environment(name) => write!(f, "environment {name}"),
            Kind::Elsewhere(instead) => f.write_str(instead),
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_default).collect()
}

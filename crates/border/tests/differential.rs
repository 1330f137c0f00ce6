//! A URL that two parsers read differently is refused.
//!
//! Method: URLs put together by dice from the pieces that parsers trip over, a million of them in a release build. What the
//! border lets pass is what browsers (the `url` crate) and a kind, hand-written reader find in it: the same host, the same port,
//! and no user. The other way round, enough of what they read and it does not is there to show that the dice are not kind.

use crate::naive::{self, Host};
use crate::stage::{ask, region};
use async_trait::async_trait;
use domicile_border::{Border, Outside, Stream};
use domicile_testkit::Dice;
use domicile_world::World;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

const URLS: usize = if cfg!(debug_assertions) { 50_000 } else { 1_500_000 };

/// Every name is a public address.
struct Everybody;

#[async_trait]
impl Outside for Everybody {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::new(9, 9, 9, 9).into()])
    }

    async fn connect(&self, _address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

const SCHEMES: [&str; 8] =
    ["https://", "http://", "HTTPS://", "https:/", "https:", "https:///", "http:\\\\", "https://\t"];
const LABELS: [&str; 34] = [
    "a",
    "B",
    "partner",
    "example",
    "com",
    "1",
    "8",
    "0",
    "255",
    "256",
    "0x8",
    "0x",
    "010",
    "xn--bcher-kva",
    "xn--a",
    "xn--",
    "XN--NXASMQ6B",
    "a-",
    "-a",
    "a_b",
    "a--b",
    "ab--c",
    "é",
    "ß",
    "a%2e",
    "%61",
    "a b",
    "",
    "123a",
    "0xg",
    "aa.bb.example",
    "8.8.8.8",
    "xn--9",
    "xn--zca",
];
const AROUND: [&str; 24] = [
    "",
    "",
    "",
    "",
    "",
    "",
    ":443",
    ":80",
    ":8443",
    ":0",
    ":",
    ":65536",
    ":0443",
    "@",
    "u@",
    "u:p@",
    ".",
    "..",
    "[",
    "]",
    "%",
    "[2a00:1450::1]",
    "[::ffff:8.8.8.8]",
    "\\",
];
const TAILS: [&str; 14] =
    ["", "/", "/x", "?x", "/?x", "#x", "/a@b", "?@b", "/:80", "\\x", "/%2e%2e/", "//x", "/ x", "/x?y=http://evil/@z:1"];

fn spelled(dice: &mut Dice) -> String {
    let schemes = if dice.percent(80) { &SCHEMES[..3] } else { &SCHEMES[..] };
    let mut url = (*dice.pick(schemes)).to_owned();
    if dice.percent(20) {
        url.push_str(dice.pick::<&str>(&AROUND));
    }
    for n in 0..=dice.below(4) {
        if n > 0 {
            url.push('.');
        }
        url.push_str(dice.pick::<&str>(&LABELS));
    }
    url.push_str(dice.pick::<&str>(&AROUND));
    url.push_str(dice.pick::<&str>(&TAILS));
    // A character somewhere that should not be there.
    if dice.percent(10) {
        let at = dice.below(url.len() as u64 + 1) as usize;
        if url.is_char_boundary(at) {
            url.insert_str(
                at,
                dice.pick::<&str>(&["\t", "\n", "\0", "@", ":", "/", "\\", "#", "%00", "。", "[", "]", "٣", "\u{ad}"]),
            );
        }
    }
    url
}

#[tokio::test]
async fn what_two_parsers_read_differently_is_refused() {
    let border = Border::new(World::real(), &region("us-west"), &[]).with_outside(Arc::new(Everybody));
    let mut dice = Dice::new(7);
    let (mut passed, mut refused, mut differences) = (0, 0, 0);
    for _ in 0..URLS {
        let url = spelled(&mut dice);
        let browsers = url::Url::parse(&url).ok();
        let kind = naive::read(&url);
        let in_browsers = browsers.as_ref().and_then(|url| {
            let host = match url.host()? {
                url::Host::Domain(name) => Host::Name(name.trim_end_matches('.').to_owned()),
                url::Host::Ipv4(v4) => Host::Address(v4.into()),
                url::Host::Ipv6(v6) => Host::Address(v6.into()),
            };
            Some((host, url.port_or_known_default()?))
        });
        let same = in_browsers == kind;
        match border.permit(ask(&url, "US")).await {
            Ok(permit) => {
                passed += 1;
                let granted = permit.granted();
                let bare = granted.host().trim_matches(['[', ']']).parse().map(Host::Address);
                let read = (bare.unwrap_or_else(|_| Host::Name(granted.host())), granted.port());
                assert_eq!(in_browsers, Some(read.clone()), "browsers, {url:?}");
                assert_eq!(kind, Some(read), "a kind reader, {url:?}");
                let user = browsers.as_ref().is_some_and(|url| url.username().is_empty() && url.password().is_none());
                assert!(user, "{url:?}");
            }
            Err(_) => {
                refused += usize::from(in_browsers.is_some());
                differences += usize::from(!same);
            }
        }
    }
    println!(
        "{URLS} URLs: {passed} pass, {refused} that browsers read are refused, {differences} are read in two ways"
    );
    assert!(passed > URLS / 20 && refused > URLS / 20 && differences > URLS / 20);
}

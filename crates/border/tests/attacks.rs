//! The attack forms of an address (1 to 26) and of a URL (53 to 58), each refused with its code.
//!
//! Goal: no form reaches a socket. Method: every form is asked for with a country that the region allows, on a network that
//! answers every name with a trap's address and counts who connects; the same trap under an honest name is reached, which
//! shows that the test could fail.

use crate::stage::{Names, ask, networks, region, shown};
use domicile_border::{Border, Limits};
use domicile_world::World;

const FORMS: &str = r"
    1 http://127.0.0.1/                       address_refused: loopback
    1 http://127.9.9.9:8080/                  address_refused: loopback
    2 http://127.1/                           address_form
    2 http://127.0.1/                         address_form
    3 http://2130706433/                      address_form
    4 http://0177.0.0.1/                      address_form
    4 http://017700000001/                    address_form
    5 http://0x7f000001/                      address_form
    5 http://0x7f.0.0.1/                      address_form
    5 http://0X7F.0.0.1/                      address_form
    6 http://0x7f.1/                          address_form
    6 http://127.0.0.0x1/                     address_form
    6 http://1.2.3.4.5/                       address_form
    6 http://256.1.1.1/                       address_form
    6 http://0x/                              address_form
    6 http://partner.0x1/                     address_form
    7 http://127.000.000.001/                 address_form
    7 http://127.0.0.01/                      address_form
    7 http://127.0.0.1./                      address_form
    8 http://0.0.0.0/                         address_refused: unspecified
    8 http://0/                               address_form
    8 http://0.1.2.3/                         address_refused: unspecified
    9 http://[::1]/                           address_refused: loopback
    9 http://[0:0:0:0:0:0:0:1]/               address_refused: loopback
    9 http://[0000::0001]:8080/               address_refused: loopback
    10 http://[::]/                           address_refused: unspecified
    11 http://[::ffff:127.0.0.1]/             address_refused: IPv4-mapped
    11 http://[::ffff:7f00:1]/                address_refused: IPv4-mapped
    11 http://[::FFFF:8.8.8.8]/               address_refused: IPv4-mapped
    12 http://[::127.0.0.1]/                  address_refused: IPv4-compatible
    12 http://[::8.8.8.8]/                    address_refused: IPv4-compatible
    13 http://[64:ff9b::7f00:1]/              address_refused: NAT64
    13 http://[64:ff9b::8.8.8.8]/             address_refused: NAT64
    13 http://[64:ff9b:1::7f00:1]/            address_refused: NAT64
    14 http://[2002:7f00:1::]/                address_refused: 6to4
    14 http://[2002:808:808::1]/              address_refused: 6to4
    14 http://192.88.99.1/                    address_refused: 6to4
    15 http://[2001::1]/                      address_refused: Teredo
    15 http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/ address_refused: Teredo
    16 http://169.254.169.254/latest/meta-data/ address_refused: cloud metadata
    16 http://169.254.1.1/                    address_refused: link-local
    16 http://168.63.129.16/                  address_refused: cloud metadata
    17 http://[fe80::1%eth0]/                 host_invalid
    17 http://[fe80::1%25eth0]/               host_invalid
    17 http://[fe80::1]/                      address_refused: link-local
    18 http://[fd00:ec2::254]/                address_refused: cloud metadata
    18 http://[fd12:3456::1]/                 address_refused: private
    18 http://[fc00::1]/                      address_refused: private
    18 http://[fec0::1]/                      address_refused: private
    19 http://100.100.100.200/                address_refused: carrier-grade NAT
    19 http://100.64.0.1/                     address_refused: carrier-grade NAT
    20 http://10.0.0.1/                       address_refused: private
    20 http://172.16.0.1/                     address_refused: private
    20 http://172.31.255.255/                 address_refused: private
    20 http://192.168.1.1/                    address_refused: private
    21 http://192.0.0.192/                    address_refused: cloud metadata
    21 http://192.0.0.8/                      address_refused: protocol assignments
    21 http://198.18.0.1/                     address_refused: benchmarking
    21 http://192.0.2.1/                      address_refused: documentation
    21 http://198.51.100.1/                   address_refused: documentation
    21 http://203.0.113.1/                    address_refused: documentation
    21 http://240.0.0.1/                      address_refused: reserved
    21 http://[2001:db8::1]/                  address_refused: documentation
    21 http://[3fff::1]/                      address_refused: documentation
    21 http://[100::1]/                       address_refused: discard
    21 http://[5f00::1]/                      address_refused: reserved
    21 http://[4000::1]/                      address_refused: reserved
    21 http://[2001:2::1]/                    address_refused: protocol assignments
    22 http://224.0.0.1/                      address_refused: multicast
    22 http://239.255.255.250/                address_refused: multicast
    22 http://255.255.255.255/                address_refused: broadcast
    22 http://[ff02::1]/                      address_refused: multicast
    23 http://9.1.1.1:7443/                   own_address
    24 http://9.1.1.2:7101/                   own_address
    25 http://[2a00:1450::25]:7100/           own_address
    26 http://１２７.０.０.１/                 url_invalid
    26 http://①②⑦.⓪.⓪.①/                    url_invalid
    26 http://127。0。0。1/                   url_invalid
    26 http://127．0．0．1/                   url_invalid

    53 https://allowed.example@trap.example/      userinfo_refused
    53 https://allowed.example:443@trap.example/  userinfo_refused
    53 https://user:secret@trap.example/          userinfo_refused
    53 https://@trap.example/                     userinfo_refused
    53 https://trap.example#@allowed.example/     url_invalid
    53 https://trap.example\@allowed.example/     url_invalid
    53 https://a@b@trap.example/                  userinfo_refused
    54 https://trap.exa{TAB}mple/                 url_invalid
    54 https://trap.exa{LF}mple/                  url_invalid
    54 {LF}https://trap.example/                  url_invalid
    54 https://trap.example/{CR}{LF}Host:x        url_invalid
    54 https://trap{NUL}.example/                 url_invalid
    54 https://trap%00.example/                   host_invalid
    54 https://trap%2eexample/                    host_invalid
    54 https://allowed.example%40trap.example/    host_invalid
    54 https://trap.example{SPACE}/               url_invalid
    55 https://p{CYRILLIC_A}rtner.example/        url_invalid
    55 https://bücher.example/                    url_invalid
    55 https://straße.example/                    url_invalid
    55 https://tr{SOFT_HYPHEN}ap.example/         url_invalid
    55 https://tr{ZERO_WIDTH}ap.example/          url_invalid
    56 https://xn--/                              host_invalid
    56 https://xn--.example/                      host_invalid
    56 https://-trap.example/                     host_invalid
    56 https://trap-.example/                     host_invalid
    56 https://trap..example/                     host_invalid
    56 https://.trap.example/                     host_invalid
    56 https://trap.example../                    host_invalid
    56 https://{64}.example/                      host_invalid
    57 https://trap.example:0/                    port_refused
    57 https://trap.example:65536/                port_refused
    57 https://trap.example:99999999999999999999/ port_refused
    57 https://trap.example:22/                   port_refused
    57 https://trap.example:25/                   port_refused
    57 https://trap.example:6379/                 port_refused
    57 https://trap.example:9092/                 port_refused
    57 https://trap.example:5432/                 port_refused
    57 https://trap.example:+80/                  port_refused
    57 https://trap.example:-1/                   port_refused
    57 https://trap.example:080/                  port_refused
    57 https://trap.example:/                     port_refused
    57 https://trap.example:80:80/                port_refused
    57 https://[2a00:1450::1]80/                  host_invalid
    57 https://[2a00:1450::1]:x/                  port_refused
    58 https:///trap.example                      host_invalid
    58 https://                                   host_invalid
    58 https://.                                  host_invalid
    58 https://:80/                               host_invalid
    58 https:trap.example                         scheme_refused
    58 https:/trap.example                        scheme_refused
    58 //trap.example/                            scheme_refused
    58 trap.example                               scheme_refused
    58 https:\\trap.example                       url_invalid
    58 https:/\trap.example                       url_invalid
    58 https://\trap.example                      url_invalid
    58 https://trap.example\                      url_invalid
    58 https://[trap.example]/                    host_invalid
    58 https://[::1/                              host_invalid
    58 https://trap.example]/                     host_invalid
    58 https://trap,allowed.example/              host_invalid
    58 https://trap;allowed.example/              host_invalid
    58 https://trap.example|allowed/              host_invalid
    58 https://{{properties.host}}/               host_invalid
    43 file:///etc/passwd                         scheme_refused
    43 gopher://trap.example/                     scheme_refused
    43 ftp://trap.example/                        scheme_refused
    43 data:text/plain,x                          scheme_refused
    43 unix:///run/docker.sock                    scheme_refused
    43 javascript://trap.example/                 scheme_refused
    43 ws://trap.example/                         scheme_refused
";

fn spelled_out(url: &str) -> String {
    [
        ("{TAB}", "\t"),
        ("{LF}", "\n"),
        ("{CR}", "\r"),
        ("{NUL}", "\0"),
        ("{SPACE}", " "),
        ("{CYRILLIC_A}", "а"),
        ("{SOFT_HYPHEN}", "\u{ad}"),
        ("{ZERO_WIDTH}", "\u{200b}"),
        ("{64}", &"a".repeat(64)),
    ]
    .into_iter()
    .fold(url.to_owned(), |url, (name, text)| url.replace(name, text))
}

fn border(names: &std::sync::Arc<Names>) -> Border {
    let own = ["9.1.1.1:7443", "9.1.1.2:7101", "[2a00:1450::25]:7100"].map(|own| own.parse().expect("an address"));
    Border::new(World::real(), &region("us-west"), &[]).with_outside(names.clone()).with_own(own.into())
}

#[tokio::test]
async fn every_attack_form_is_refused_with_its_code_and_nobody_is_asked_or_called() {
    let names = Names::new(&[("trap.example", &["9.9.9.9"])]);
    let border = border(&names);
    let mut wrong = Vec::new();
    let mut forms = 0;
    for line in FORMS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (class, rest) = line.split_once(' ').expect("class, URL and code");
        let (url, expected) = rest.split_once(' ').expect("class, URL and code");
        let (url, expected) = (spelled_out(url), expected.trim());
        forms += 1;
        let answer = border.permit(ask(&url, "US")).await;
        let got = shown(&answer);
        if got != expected && got.split(':').next() != Some(expected) {
            wrong.push(format!("{class} {url}\n   expected {expected}\n   got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(forms > 140, "the table was not read: {forms}");
    assert!(names.asked.lock().expect("lock").is_empty(), "a refused form was looked up");
    assert!(names.knocked.lock().expect("lock").is_empty(), "a refused form was called");
}

#[tokio::test]
async fn the_same_addresses_behind_a_name_are_refused_too() {
    for line in FORMS.lines().map(str::trim).filter(|line| line.contains("address_refused")) {
        let url = line.split_whitespace().nth(1).expect("a URL");
        let host = url.trim_start_matches("http://").split('/').next().expect("a host");
        let bare = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().expect("an address"),
            None => host.split(':').next().expect("an address"),
        };
        let names = Names::new(&[("partner.example", &[bare])]);
        let answer = border(&names).permit(ask("http://partner.example/", "US")).await;
        let expected = line.split("address_refused").nth(1).expect("what it is");
        assert_eq!(shown(&answer), format!("address_refused{expected}"), "{bare}");
    }
}

#[tokio::test]
async fn the_trap_is_reached_under_an_honest_name() {
    let names = Names::new(&[("trap.example", &["9.9.9.9"])]);
    let border = border(&names);
    let permit = border.permit(ask("https://trap.example/", "US")).await.expect("a permit");
    assert!(border.open(permit, &Limits::WEBHOOK).await.is_err());
    assert_eq!(*names.knocked.lock().expect("lock"), ["9.9.9.9:443".parse().expect("an address")]);
}

#[tokio::test]
async fn a_refusal_names_what_was_judged_and_keeps_path_and_credentials_to_itself() {
    let border = Border::new(World::real(), &region("eu-west"), &networks(&[]));
    for url in ["https://user:hunter2@trap.example/hunter2?hunter2", "http://10.0.0.1/hunter2?token=hunter2"] {
        let refusal = border.permit(ask(url, "IE")).await.expect_err("refused");
        let all = format!("{refusal} {refusal:?} {} {:?}", refusal.mend(), ask(url, "IE"));
        assert!(!all.contains("hunter2"), "{all}");
    }
    let refusal = border.permit(ask("http://10.0.0.1/x", "IE")).await.expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        "the border of eu-west refuses this webhook connection to 10.0.0.1 at 10.0.0.1 (address_refused): private"
    );
    assert_eq!(refusal.mend(), "if this network is yours, list it with its country under `networks` in topology.yml");
}

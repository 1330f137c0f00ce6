//! The operator's database of addresses: it can only say no, and a hostile one stops the start and never the program.

use crate::mmdb::mmdb;
use crate::stage::{Names, ask, country, networks, region, shown};
use domicile_border::{Ask, Border, Place, Witness};
use domicile_testkit::world;
use domicile_world::{Disk, World, write_whole};
use std::path::Path;
use std::sync::Arc;

const RANGES: &[(&str, &str)] = &[
    ("9.9.9.0/24", "CH"),
    ("8.8.8.8/32", "US"),
    ("10.20.0.0/16", "US"),
    ("2a00:1450::/32", "IE"),
    ("7.7.7.0/24", ""),
    ("6.6.6.0/24", "XK"),
];

fn on_disk(disk: &dyn Disk, bytes: &[u8]) -> &'static Path {
    let path = Path::new("/topology/countries.mmdb");
    disk.make_folder(Path::new("/topology"), true).expect("a folder");
    write_whole(disk, path, bytes).expect("written");
    path
}

fn witness(ip_version: u16, ranges: &[(&str, &str)]) -> Witness {
    let (world, _) = world(1);
    let path = on_disk(&*world.disk, &mmdb(ip_version, ranges));
    Witness::read(&*world.disk, path).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn where_the_database_names_another_country_nothing_goes() {
    let names = Names::new(&[("both.example", &["9.9.9.9 8.8.8.8"]), ("swiss.example", &["9.9.9.9 9.9.9.10"])]);
    let listed = networks(&[("10.20.0.0/16", "IE"), ("10.30.0.0/16", "IE"), ("127.0.0.0/8", "local")]);
    let border = Border::new(World::real(), &region("us-west"), &listed)
        .with_outside(names)
        .with_witness(Arc::new(witness(6, RANGES)));
    let says = "the operator's database of addresses says";
    for (url, declared, expected) in [
        ("http://9.9.9.9/", "CH", "9.9.9.9:80 CH allow CH".to_owned()),
        ("http://9.9.9.9/", "DE", format!("country_witness: DE is declared, and {says} CH")),
        ("http://8.8.8.8/", "IE", format!("country_witness: IE is declared, and {says} US")),
        ("http://[2a00:1450::1]/", "IE", "[2a00:1450::1]:80 IE allow IE".to_owned()),
        ("http://[2a00:1450::1]/", "US", format!("country_witness: US is declared, and {says} IE")),
        // What it does not know, it does not decide.
        ("http://1.1.1.1/", "DE", "1.1.1.1:80 DE allow DE".to_owned()),
        ("http://7.7.7.7/", "DE", "7.7.7.7:80 DE allow DE".to_owned()),
        ("http://127.0.0.1:81/", "DE", "127.0.0.1:81 DE allow DE".to_owned()),
        ("http://10.30.0.1/", "", "10.30.0.1:80 IE allow IE".to_owned()),
        ("http://10.20.0.1/", "", format!("country_witness: `networks` says IE, and {says} US")),
        ("http://6.6.6.6/", "RS", format!("country_witness: RS is declared, and {says} XK")),
        // It is never enough by itself.
        ("http://9.9.9.9/", "", "country_undeclared: nobody says in which country it is".to_owned()),
        ("http://swiss.example/", "CH", "9.9.9.9:80 9.9.9.10:80 CH allow CH".to_owned()),
        ("http://both.example/", "CH", format!("country_witness: CH is declared, and {says} US")),
    ] {
        assert_eq!(shown(&border.permit(ask(url, declared)).await), expected, "{url} {declared}");
    }
    let place = Place::Partner { vendor: "acme".into(), country: country("DE") };
    let answer = border.permit(Ask { place, ..ask("http://9.9.9.9/", "") }).await;
    assert_eq!(shown(&answer), format!("country_witness: the catalog says that `acme` is in DE, and {says} CH"));
}

#[tokio::test]
async fn a_database_of_ipv4_knows_nothing_of_ipv6() {
    let witness = witness(4, &[("9.9.9.0/24", "CH"), ("8.0.0.0/8", "US")]);
    let border = Border::new(World::real(), &region("us-west"), &[]).with_witness(Arc::new(witness));
    for (url, declared, expected) in [
        ("http://9.9.9.9/", "CH", "9.9.9.9:80 CH allow CH"),
        ("http://[2a00:1450::1]/", "IE", "[2a00:1450::1]:80 IE allow IE"),
        ("http://8.8.8.8/", "IE", "country_witness: IE is declared, and the operator's database of addresses says US"),
    ] {
        assert_eq!(shown(&border.permit(ask(url, declared)).await), expected, "{url}");
    }
}

#[test]
fn a_file_that_is_no_witness_stops_the_start_with_its_name_and_a_mend() {
    let (world, _) = world(1);
    let told = |bytes: &[u8]| {
        let path = on_disk(&*world.disk, bytes);
        Witness::read(&*world.disk, path).map_or_else(|error| error.to_string(), |_| "sound".to_owned())
    };
    for (bytes, what) in [
        (Vec::new(), "it is no MMDB"),
        (b"PK\x03\x04 a zip".to_vec(), "it is no MMDB"),
        (mmdb(6, &[]), "it names no country"),
        (mmdb(6, &[("9.9.9.0/24", "")]), "it names no country"),
        (mmdb(6, RANGES), "sound"),
    ] {
        let told = told(&bytes);
        assert!(told.contains(what), "{told}");
        assert!(
            told == "sound" || (told.contains("/topology/countries.mmdb: ") && told.contains("\n  mend: ")),
            "{told}"
        );
    }
    let missing = Witness::read(&*world.disk, Path::new("/topology/none.mmdb")).expect_err("is not there");
    assert!(missing.to_string().contains("/topology/none.mmdb: "), "{missing}");
}

#[tokio::test]
async fn no_damage_to_the_file_makes_it_panic_or_speak_for_an_address() {
    let (world, _) = world(1);
    let sound = mmdb(6, RANGES);
    let mut hostile: Vec<Vec<u8>> = (0..sound.len()).map(|end| sound[..end].to_vec()).collect();
    for at in 0..sound.len() {
        for put in [sound[at] ^ 0xff, sound[at] ^ 1, sound[at] ^ 0x80, 0, 0xff] {
            let mut bytes = sound.clone();
            bytes[at] = put;
            hostile.push(bytes);
        }
    }
    let mut read = 0;
    for bytes in hostile {
        let path = on_disk(&*world.disk, &bytes);
        let Ok(witness) = Witness::read(&*world.disk, path) else { continue };
        read += 1;
        let border = Border::new(World::real(), &region("us-west"), &[]).with_witness(Arc::new(witness));
        for url in ["http://9.9.9.9/", "http://8.8.8.8/", "http://[2a00:1450::1]/", "http://1.1.1.1/"] {
            let undeclared = border.permit(ask(url, "")).await;
            assert!(shown(&undeclared).starts_with("country_undeclared"), "{}", shown(&undeclared));
            let _ = border.permit(ask(url, "IE")).await;
        }
    }
    assert!(read > 0, "some damage can't be seen, such as another country's letters");
}

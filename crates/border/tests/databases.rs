//! Connections to a database: for the control store and warehouses alone, and under TLS wherever the network is not the operator's.

use crate::stage::{ask, country, gated, networks, region, shown};
use crate::tls::{Authority, Loopback};
use domicile_border::{Ask, Border, Limits, Place, Purpose};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const NETWORKS: &[(&str, &str)] = &[("127.0.0.0/8", "local"), ("10.20.0.0/16", "IE"), ("10.30.0.0/16", "US")];

fn database(url: &str) -> Ask {
    let workspace = WorkspaceId::new("control-store");
    Ask { workspace, purpose: Purpose::ControlStore, url: url.to_owned(), place: Place::Declared(Some(country("IE"))) }
}

#[tokio::test]
async fn a_database_is_for_the_control_store_and_its_country_is_judged_like_any_other() {
    let border = Border::new(World::real(), &region("eu-west"), &networks(NETWORKS));
    for (url, expected) in [
        ("postgres://10.20.0.1/", "10.20.0.1:5432 IE allow IE"),
        ("postgresql://10.20.0.1:6432/?sslmode=disable", "10.20.0.1:6432 IE allow IE"),
        ("postgres://9.9.9.9/", "9.9.9.9:5432 IE allow IE"),
        (
            "postgres://9.9.9.9/?sslmode=disable",
            "plaintext_refused: the database is in none of the operator's networks, and its address says not to use TLS",
        ),
        (
            "postgres://10.30.0.1/",
            "country_contradicted: IE is declared, and `networks` says that 10.30.0.0/16 is in US",
        ),
        ("postgres://192.168.0.1/", "address_refused: private"),
        ("postgres://me@10.20.0.1/", "userinfo_refused: a user name or password stands before the host"),
        ("postgres://10.20.0.1/?sslmode=prefer", "url_invalid: `sslmode` is not one of: disable, require, verify-full"),
        ("https://10.20.0.1/", "scheme_refused: it does not begin with postgres://"),
    ] {
        assert_eq!(shown(&border.permit(database(url)).await), expected, "{url}");
    }
    let webhook = border.permit(ask("postgres://10.20.0.1/", "IE")).await;
    assert_eq!(shown(&webhook), "scheme_refused: it does not begin with http:// or https://");
}

#[tokio::test]
async fn a_warehouse_is_a_database_too_and_its_owner_says_where_it_is() {
    let border = Border::new(World::real(), &region("eu-west"), &networks(NETWORKS));
    let permit = async |url: &str, declared: Option<&str>| {
        let (workspace, place) = (WorkspaceId::new("acme"), Place::Declared(declared.map(country)));
        shown(&border.permit(Ask { workspace, purpose: Purpose::Warehouse, url: url.to_owned(), place }).await)
    };
    assert_eq!(permit("postgres://9.9.9.9", Some("IE")).await, "9.9.9.9:5432 IE allow IE");
    assert!(permit("postgres://9.9.9.9", Some("US")).await.starts_with("country_refused"));
    assert!(permit("postgres://9.9.9.9", None).await.starts_with("country_undeclared"));
    assert!(permit("postgres://169.254.169.254", Some("IE")).await.starts_with("address_refused"));
    assert!(permit("https://9.9.9.9", Some("IE")).await.starts_with("scheme_refused"));
}

/// A server that answers the request for TLS with `says`, and, once TLS is there or not wanted, repeats what it hears.
async fn server(says: &'static [u8], authority: Option<&Authority>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let acceptor = authority.map(|authority| TlsAcceptor::from(Arc::new(authority.config("db.example", 2020, 2090))));
    tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let mut begin = [0; 8];
            let _ = plain.read_exact(&mut begin).await;
            if begin != [0, 0, 0, 8, 4, 210, 22, 47] {
                let _ = plain.write_all(&begin).await;
                continue;
            }
            let _ = plain.write_all(says).await;
            match &acceptor {
                Some(acceptor) => {
                    let Ok(mut tls) = acceptor.accept(plain).await else { continue };
                    let _ = tls.read_exact(&mut begin).await;
                    let _ = tls.write_all(&begin).await;
                }
                None => {
                    let _ = plain.read_exact(&mut begin).await;
                    let _ = plain.write_all(&begin).await;
                }
            }
        }
    });
    port
}

#[tokio::test]
async fn tls_is_asked_for_and_given_up_only_in_a_network_of_the_operators() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let border = Border::new(World::real(), &region("eu-west"), &networks(&[("127.0.0.0/8", "local")]))
        .with_outside(Arc::new(Loopback))
        .with_roots(&[known.root()]);
    let (cell, _gated) = gated(&border);
    let rows = [
        ("db.example", "", &b"S"[..], Some(&known), "under TLS"),
        ("db.example", "?sslmode=require", b"S", Some(&known), "under TLS"),
        ("other.example", "", b"S", Some(&known), "tls"),
        ("db.example", "", b"S", Some(&unknown), "tls"),
        ("db.example", "", b"N", None, "in the clear"),
        ("db.example", "?sslmode=disable", b"N", None, "in the clear"),
        ("db.example", "?sslmode=require", b"N", None, "tls"),
        ("db.example", "?sslmode=verify-full", b"N", None, "tls"),
        ("db.example", "", b"E", None, "tls"),
        ("db.example", "", b"", None, "tls"),
        // What someone in between adds before TLS begins is not taken for the database's.
        ("db.example", "", b"SZ\0\0\0\x05I", Some(&known), "tls"),
    ];
    for ((host, mode, says, authority, expected), border) in
        rows.into_iter().flat_map(|row| [(row, &border), (row, &cell)])
    {
        let port = server(says, authority).await;
        let permit = border.permit(database(&format!("postgres://{host}:{port}/{mode}"))).await.expect("a permit");
        let limits = Limits { connect: std::time::Duration::from_millis(500), ..Limits::WEBHOOK };
        let got = match border.pipe(permit, &limits).await {
            Ok(mut pipe) => {
                let mut heard = [0; 8];
                pipe.write_all(b"are you?").await.expect("is sent");
                pipe.flush().await.expect("is sent");
                pipe.read_exact(&mut heard).await.expect("is repeated");
                assert_eq!(&heard, b"are you?");
                if pipe.is_encrypted() { "under TLS" } else { "in the clear" }
            }
            // A server that says nothing is given up.
            Err(error) if says.is_empty() && error.as_str() == "timed_out" => "tls",
            Err(error) => error.as_str(),
        };
        assert_eq!(got, expected, "{host} {mode} {says:?}");
    }
}

#[tokio::test]
async fn a_permit_opens_only_what_it_is_for() {
    let border = Border::new(World::real(), &region("eu-west"), &networks(&[("127.0.0.0/8", "local")]));
    let port = server(b"N", None).await;
    let permit = border.permit(database(&format!("postgres://127.0.0.1:{port}/"))).await.expect("a permit");
    assert!(border.open(permit, &Limits::WEBHOOK).await.is_err_and(|error| error.as_str() == "request"));
    let permit = border.permit(ask(&format!("http://127.0.0.1:{port}/"), "IE")).await.expect("a permit");
    assert!(border.pipe(permit, &Limits::WEBHOOK).await.is_err_and(|error| error.as_str() == "request"));
}

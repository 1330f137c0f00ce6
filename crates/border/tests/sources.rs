//! Connections go out from the region's `egress_addresses` or not at all.
//!
//! Every address of 127.0.0.0/8 is this machine's, so that loopback shows from where a connection comes.

use crate::stage::{ask, networks, plain_ask, region, shown};
use bytes::Bytes;
use domicile_border::{Border, Limits};
use domicile_region::Region;
use domicile_world::World;
use http::Request;
use http_body_util::Full;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

fn border(egress: &[&str]) -> Border {
    let egress_addresses = egress.iter().map(|range| range.parse().expect("a range")).collect();
    let region = Region { egress_addresses, ..region("us-west") };
    Border::new(World::real(), &region, &networks(&[("127.0.0.0/8", "local")]))
}

/// A partner that says who came.
async fn partner() -> (String, mpsc::UnboundedReceiver<IpAddr>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (came, who) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let _ = came.send(peer.ip());
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (url, who)
}

#[tokio::test]
async fn a_partner_sees_an_address_of_the_list() {
    for (egress, seen) in [
        (&[][..], "127.0.0.1"),
        (&["127.0.0.9/32"], "127.0.0.9"),
        (&["198.51.100.0/29", "127.3.0.0/30"], "127.3.0.0"),
        // Loopback is reached from loopback alone.
        (&["198.51.100.0/29"], "127.0.0.1"),
    ] {
        let (url, mut who) = partner().await;
        let border = border(egress);
        let permit = border.permit(plain_ask(&url, "US")).await.expect("a permit");
        let request = Request::post("/").body(Full::new(Bytes::new())).expect("a request");
        assert_eq!(border.send(permit, request, &Limits::WEBHOOK).await.expect("an answer").status, 200);
        assert_eq!(who.recv().await.expect("somebody came").to_string(), seen, "{egress:?}");
    }
}

#[tokio::test]
async fn when_no_address_of_the_list_can_be_used_it_waits_and_nothing_goes_out() {
    for (egress, url, expected) in [
        (
            "198.51.100.0/29",
            "http://9.9.9.9/",
            "no_egress_address: no address of the region's `egress_addresses` is on this machine",
        ),
        (
            "2001:db8::/64",
            "http://9.9.9.9/",
            "no_egress_address: the region's `egress_addresses` have none of the host's family",
        ),
        (
            "127.0.0.0/8",
            "http://[2a00:1450::1]/",
            "no_egress_address: the region's `egress_addresses` have none of the host's family",
        ),
    ] {
        let answer = border(&[egress]).permit(ask(url, "US")).await;
        assert_eq!(shown(&answer), expected, "{egress} {url}");
        assert!(!answer.expect_err("refused").may_pass());
    }
}

//! The witnesses of a region's ledger, asked through the border.

use crate::exit::Failure;
use bytes::Bytes;
use domicile_border::{Ask, Border, Limits, Place, Purpose};
use domicile_ledger::{Answer, Ledger, VKey, Way, Witness};
use domicile_region::{Country, Region};
use domicile_workspace::WorkspaceId;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use std::io;
use tokio::task::JoinHandle;

/// Shows the ledger's heads to each witness of the region, until the ledger is closed or the tasks are aborted.
///
/// # Errors
/// A key that is none.
pub fn show_to_all(region: &Region, ledger: &Ledger, border: &Border) -> Result<Vec<JoinHandle<()>>, Failure> {
    let one = |named: &domicile_region::Witness| {
        let key = VKey::read(&named.key).ok_or_else(|| {
            Failure::usage(format!(
                "region {}: the key of the witness {} is not one\n  mend: copy NAME+ID+KEY as the witness publishes it",
                region.id, named.url
            ))
        })?;
        let witness = Witness { url: named.url.clone(), key, country: named.country.to_string() };
        let way = Through { border: border.clone(), country: named.country };
        let ledger = ledger.clone();
        Ok(tokio::spawn(async move {
            // Closed before the witness was named: there is nothing to show.
            let _ = ledger.show_to(&witness, &way).await;
        }))
    };
    region.witnesses.iter().map(one).collect()
}

/// The border's way to a witness that the operator named. It sees hashes and counts of entries, nothing else.
struct Through {
    border: Border,
    country: Country,
}

impl Way for Through {
    fn post(&self, url: String, body: Vec<u8>) -> Answer {
        let (border, country) = (self.border.clone(), self.country);
        Box::pin(async move {
            let path = url.parse::<http::Uri>().map_err(io::Error::other)?;
            let ask = Ask {
                // No workspace's: the region's own.
                workspace: WorkspaceId::new("region"),
                purpose: Purpose::Witness,
                url,
                place: Place::Declared(Some(country)),
            };
            let permit = border.permit(ask).await.map_err(io::Error::other)?;
            let mut request = Request::new(Full::new(Bytes::from(body)));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = path.path_and_query().cloned().map_or(http::Uri::from_static("/"), http::Uri::from);
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            let answer = border.send(permit, request, &Limits::WEBHOOK).await.map_err(io::Error::other)?;
            Ok((answer.status.as_u16(), answer.body.to_vec()))
        })
    }
}

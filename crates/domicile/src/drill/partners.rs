//! A partner that sends every delivery elsewhere: in the demo workspace of a local `up`, for a moment.
//!
//! ```text
//! event ──► source and destination `drill-…` ──► partner here: 301, 302, 307, 308 ──► trap here: nobody may come
//! ```
//!
//! - The source is its own, so that no other destination is sent its events.
//! - Both are deleted however the exercise ends, by Ctrl-C too. Its four events stay in the logs and the archive, as every
//!   event does.

use super::Stage;
use super::report::Exercise;
use crate::client::{Cell, Client, encode};
use crate::exit::Failure;
use bytes::Bytes;
use domicile_listen::{Body, Listener, Settings};
use domicile_world::World;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const STATUSES: [u16; 4] = [301, 302, 307, 308];
/// How long an event may take to the partner and back.
const LIFE: Duration = Duration::from_secs(20);
/// After the last answer: whoever followed a redirect would be there by now.
const FOLLOWED: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(100);

pub fn redirects(stage: &mut Stage<'_>) -> Result<Exercise, Failure> {
    let mut exercise = Exercise::new("Redirects", "a partner that answers with 301, 302, 307 and 308 to a trap");
    if !stage.args.partners {
        exercise.not_tried =
            Some("it takes a destination of its own for a moment: --partners, on a local `up`".to_owned());
        return Ok(exercise);
    }
    let Some(mut demo) = Demo::of(stage)? else {
        exercise.not_tried = Some("the cell has no demo workspace to make a destination in".to_owned());
        return Ok(exercise);
    };
    if !demo.allows_loopback(stage) {
        exercise.not_tried =
            Some("`networks` in the topology do not list 127.0.0.1, where the partner would be".to_owned());
        return Ok(exercise);
    }
    stage.runtime.block_on(async {
        // From here on a signal means an end in order.
        let listen = |kind| signal(kind).map_err(Failure::unreached);
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let partners = Partners::open(stage.world).await?;
        let (source, key) = demo.make_source(&stage.marker).await?;
        let tried = tokio::select! {
            tried = demo.deliver((&source, &key), stage.world, &partners, &stage.marker, &mut exercise) => tried,
            _ = interrupt.recv() => Err(stopped()),
            _ = terminate.recv() => Err(stopped()),
        };
        let deleted = demo.delete(&source).await;
        partners.close();
        // What is left behind is told before what failed.
        deleted.and(tried)
    })?;
    stage.own_events += STATUSES.len() as u64;
    exercise.happened.push(format!(
        "its source and destination were deleted; its {} events stay in the logs, marked {}",
        STATUSES.len(),
        stage.marker
    ));
    Ok(exercise)
}

fn stopped() -> Failure {
    Failure::Unreached("stopped; the drill's source and destination are deleted".to_owned())
}

/// The demo's workspace of the region.
struct Demo {
    cell: Cell,
    events: Client,
    country: String,
}

impl Demo {
    fn of(stage: &Stage<'_>) -> Result<Option<Self>, Failure> {
        let cells = stage.args.cell.cells().unwrap_or_default();
        let cell = cells.into_iter().find(|cell| cell.name == stage.region());
        let own = stage.drill["regions"].as_array().into_iter().flatten().find(|region| region["isThisCell"] == true);
        let point = own.and_then(|region| region.pointer("/ingestPoints/0/url")).and_then(Value::as_str);
        let (Some(cell), Some(point)) = (cell, point) else { return Ok(None) };
        let (events, country) = (stage.args.cell.anonymous(point)?, stage.text("country").to_owned());
        Ok(Some(Self { cell, events, country }))
    }

    /// Whether the border may connect to this machine's loopback, in the region's own country.
    fn allows_loopback(&self, stage: &Stage<'_>) -> bool {
        stage.drill["networks"].as_array().into_iter().flatten().any(|network| {
            let range = network["range"].as_str().and_then(|range| range.parse::<ipnet::IpNet>().ok());
            let country = network["country"].as_str();
            range.is_some_and(|range| range.contains(&std::net::IpAddr::from(Ipv4Addr::LOCALHOST)))
                && country.is_none_or(|country| country == self.country)
        })
    }

    /// A source of the drill's own: its id and write key.
    async fn make_source(&mut self, marker: &str) -> Result<(String, String), Failure> {
        let body =
            json!({ "slug": format!("drill-{marker}"), "metadataId": "server", "disconnectAllWarehouses": true });
        let made = self.ask(Method::POST, "/api/sources", body.to_string()).await?;
        let text = |at: &str| made.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let source = text("/data/source/id").zip(text("/data/source/writeKeys/0"));
        source.ok_or_else(|| Failure::unreached("the cell made a source without an id or write key"))
    }

    async fn make_destination(&mut self, source: &str, url: &str, marker: &str) -> Result<(), Failure> {
        let body = json!({
            "sourceId": source, "metadataId": "webhook", "name": format!("drill-{marker}"), "enabled": true,
            "settings": { "url": url, "country": self.country },
        });
        self.ask(Method::POST, "/api/destinations", body.to_string()).await.map(drop)
    }

    /// Deletes the source, and its destination with it.
    async fn delete(&mut self, source: &str) -> Result<(), Failure> {
        let deleted = self.ask(Method::DELETE, &format!("/api/sources/{}", encode(source)), String::new()).await;
        let left = |failure: Failure| {
            Failure::Unreached(format!("the drill's source {source} is still there: delete it, because {failure}"))
        };
        deleted.map(drop).map_err(left)
    }

    async fn ask(&mut self, method: Method, path: &str, body: String) -> Result<Value, Failure> {
        let answer = self.cell.client.send(method, path, Bytes::from(body)).await?;
        match answer.status.is_success() {
            true => Ok(serde_json::from_slice(&answer.body).unwrap_or_default()),
            false => Err(self.cell.client.refused(path, &answer)),
        }
    }

    /// Sends an event for each status, and waits for what becomes of it.
    async fn deliver(
        &mut self,
        (source, key): (&str, &str),
        world: &World,
        partners: &Partners,
        marker: &str,
        exercise: &mut Exercise,
    ) -> Result<(), Failure> {
        self.make_destination(source, &format!("http://{}/", partners.partner), marker).await?;
        let id_of = |status: u16| format!("{marker}-{status}");
        for status in STATUSES {
            let event = json!({ "type": "track", "event": "Drill", "messageId": id_of(status), "userId": marker, "writeKey": key });
            let answer = self.events.send(Method::POST, "/v1/track", Bytes::from(event.to_string())).await?;
            if answer.status != StatusCode::OK {
                return Err(self.events.refused("/v1/track", &answer));
            }
        }
        let start = world.clock.monotonic();
        for status in STATUSES {
            let path = format!("/api/events/{}", encode(&id_of(status)));
            let state = loop {
                let life = self.cell.client.find_json(&path).await?.unwrap_or_default();
                let sent = life
                    .pointer("/data/event/occurrences/0/sent")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let name = format!("drill-{marker}");
                let answered = sent.into_iter().find(|sent| {
                    let attempts = sent["attempts"].as_array().into_iter().flatten();
                    sent["name"] == name.as_str() && attempts.into_iter().any(|attempt| attempt["status"] == status)
                });
                let is_late = world.clock.monotonic().saturating_sub(start) > LIFE;
                match answered.as_ref().and_then(|sent| sent["state"].as_str()) {
                    // A moment later it is told what comes of it.
                    Some(state) if state != "waiting" || is_late => break state.to_owned(),
                    None if is_late => break "unknown".to_owned(),
                    _ => world.clock.sleep(LOOK).await,
                }
            };
            match state.as_str() {
                "delivered" => {
                    exercise.findings.push(format!("an event that was answered with {status} counts as delivered"))
                }
                "unknown" => {
                    exercise.findings.push(format!("the partner's {status} was not noted within {} s", LIFE.as_secs()))
                }
                state => {
                    exercise.happened.push(format!("answered with {status}: told as {state}, and not as delivered"))
                }
            }
        }
        world.clock.sleep(FOLLOWED).await;
        let (met, trapped) = (partners.met.load(Ordering::SeqCst), partners.trapped.load(Ordering::SeqCst));
        match trapped {
            0 => exercise.happened.push(format!("{met} requests came to the partner, and none to the trap")),
            trapped => exercise.findings.push(format!("{trapped} requests followed a redirect to the trap")),
        }
        Ok(())
    }
}

/// A partner that redirects, and the trap that it redirects to; both on this machine's loopback.
struct Partners {
    partner: SocketAddr,
    met: Arc<AtomicU64>,
    trapped: Arc<AtomicU64>,
    stop: Vec<oneshot::Sender<()>>,
    doors: Vec<tokio::task::JoinHandle<()>>,
}

impl Partners {
    async fn open(world: &World) -> Result<Self, Failure> {
        let bind =
            async || Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(Failure::unreached);
        let (partner, trap) = (bind().await?, bind().await?);
        let mut partners = Self {
            partner: partner.address(),
            met: Arc::default(),
            trapped: Arc::default(),
            stop: Vec::new(),
            doors: Vec::new(),
        };
        let to = format!("http://{}/", trap.address());
        partners.serve(world, trap, Arc::clone(&partners.trapped), None);
        partners.serve(world, partner, Arc::clone(&partners.met), Some(to));
        Ok(partners)
    }

    /// Counts requests; with `to`, sends them there with the status that the event names.
    fn serve(&mut self, world: &World, listener: Listener, count: Arc<AtomicU64>, to: Option<String>) {
        let service = service_fn(move |request: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            let to = to.clone();
            async move {
                let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                Ok::<_, Infallible>(answer(&body, to.as_deref()))
            }
        });
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        self.doors.push(tokio::spawn(listener.serve(Arc::clone(&world.clock), service, Settings::default(), stopped)));
        self.stop.push(stop);
    }

    fn close(self) {
        drop(self.stop);
        for door in self.doors {
            door.abort();
        }
    }
}

fn answer(body: &[u8], to: Option<&str>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    let Some(to) = to.and_then(|to| to.parse().ok()) else { return response };
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let status = event["messageId"].as_str().and_then(|id| id.rsplit_once('-')?.1.parse().ok());
    let status = status.and_then(|status: u16| StatusCode::from_u16(status).ok());
    *response.status_mut() = status.unwrap_or(StatusCode::FOUND);
    response.headers_mut().insert(header::LOCATION, to);
    response
}

//! A partner that sends every delivery elsewhere: in the demo workspace of a local `up`, for a moment.
//!
//! ```text
//! event ──► cell ──► destination `drill-…` ──► partner here: 301, 302, 307, 308 ──► trap here: nobody may come
//! ```
//!
//! The destination is deleted however the exercise ends, by Ctrl-C too. Its four events stay in the logs and the archive, as
//! every event does.

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
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
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
        let partners = Partners::open(stage.world).await?;
        let id = demo.make(&format!("http://{}/", partners.partner), &stage.marker).await?;
        let tried = tokio::select! {
            tried = demo.deliver(stage.world, &partners, &stage.marker, &mut exercise) => tried,
            _ = tokio::signal::ctrl_c() => Err(Failure::Unreached("stopped; the drill's destination is deleted".to_owned())),
        };
        let deleted = demo.delete(&id).await;
        partners.close().await;
        // What is left behind is told before what failed.
        deleted.and(tried)
    })?;
    stage.own_events += STATUSES.len() as u64;
    exercise.happened.push(format!(
        "its destination was deleted; its {} events stay in the logs, marked {}",
        STATUSES.len(),
        stage.marker
    ));
    Ok(exercise)
}

/// The demo's workspace of the region.
struct Demo {
    cell: Cell,
    events: Client,
    source: String,
    country: String,
}

impl Demo {
    fn of(stage: &Stage<'_>) -> Result<Option<Self>, Failure> {
        let file = stage.args.cell.data().join("demo.json");
        let Ok(text) = stage.world.disk.read(Path::new(&file)) else { return Ok(None) };
        let demo: Value = serde_json::from_slice(&text).unwrap_or_default();
        let region = &demo["regions"][stage.region()];
        let cell = stage.args.cell.cells()?.into_iter().find(|cell| cell.name == stage.region());
        let first =
            |value: &'_ Value| value.as_object().and_then(|all| all.values().next().cloned()).unwrap_or_default();
        let source = first(&region["workspaces"])["sources"]["server"].take();
        let point = stage.drill["regions"].as_array().into_iter().flatten().find(|region| region["isThisCell"] == true);
        let point = point.and_then(|region| region.pointer("/ingestPoints/0/url")).and_then(Value::as_str);
        let (Some(cell), Some(id), Some(key), Some(point)) =
            (cell, source["id"].as_str(), source["writeKey"].as_str(), point)
        else {
            return Ok(None);
        };
        let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{key}:").as_bytes()));
        let events = stage.args.cell.anonymous(point)?.with_authorization(basic);
        Ok(Some(Self { cell, events, source: id.to_owned(), country: stage.text("country").to_owned() }))
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

    async fn make(&mut self, url: &str, marker: &str) -> Result<String, Failure> {
        let body = json!({
            "sourceId": self.source, "metadataId": "webhook", "name": format!("drill-{marker}"), "enabled": true,
            "settings": { "url": url, "country": self.country },
        });
        let made = self.ask(Method::POST, "/api/destinations", body.to_string()).await?;
        let id = made.pointer("/data/destination/id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Failure::unreached("the cell made a destination without an id"))
    }

    async fn delete(&mut self, id: &str) -> Result<(), Failure> {
        let deleted = self.ask(Method::DELETE, &format!("/api/destinations/{}", encode(id)), String::new()).await;
        let left =
            |failure: Failure| Failure::Unreached(format!("the drill's destination {id} is still there: {failure}"));
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
        world: &World,
        partners: &Partners,
        marker: &str,
        exercise: &mut Exercise,
    ) -> Result<(), Failure> {
        let id_of = |status: u16| format!("{marker}-{status}");
        for status in STATUSES {
            let event = json!({ "type": "track", "event": "Drill", "messageId": id_of(status), "userId": marker });
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
                match answered {
                    Some(sent) => break sent["state"].as_str().unwrap_or("?").to_owned(),
                    None if world.clock.monotonic().saturating_sub(start) > LIFE => break "unknown".to_owned(),
                    None => world.clock.sleep(LOOK).await,
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

    async fn close(self) {
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

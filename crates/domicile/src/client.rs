//! How the commands reach a cell or an ingest point: through the border, like everything else that goes out.
//!
//! The operator's own command has no workspace and no region; its policy is that it connects to the address that was
//! typed, and to nothing else.

use crate::exit::Failure;
use bytes::Bytes;
use clap::Args;
use domicile_border::{Answer, Ask, Border, Code, Limits, Line, Place, Purpose};
use domicile_region::{BorderPolicy, Country, CountrySet, Network, NetworkCountry, Region, RegionId};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use indicatif::{ProgressBar, ProgressStyle};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Which running cell a command talks to.
#[derive(Args, Clone)]
pub struct CellArgs {
    /// The cell's address, for example http://127.0.0.1:7200
    #[arg(long, global = true, env = "DOMICILE_CELL", value_name = "URL", requires = "token")]
    cell: Option<String>,
    /// An API token of the cell
    #[arg(long, global = true, env = "DOMICILE_TOKEN", value_name = "T", hide_env_values = true)]
    token: Option<String>,
    /// Without --cell: the data folder of a local `domicile up`
    #[arg(long, global = true, default_value = "./domicile-data", value_name = "DIR")]
    data: PathBuf,
    /// Only this region of the local `up`; all of them when absent
    #[arg(long, global = true, value_name = "R", conflicts_with = "cell")]
    region: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Whose certificates a command believes besides the public authorities'.
#[derive(Args, Clone, Default)]
pub struct TrustArgs {
    /// A certificate authority of your own (PEM) that the server's certificate is from
    #[arg(long, global = true, env = "DOMICILE_CELL_CA", value_name = "FILE")]
    cell_ca: Option<PathBuf>,
}

impl TrustArgs {
    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let Some(file) = &self.cell_ca else { return Ok(Vec::new()) };
        let wrong = |what: String| {
            Failure::usage(format!("{}: {what}\n  mend: name a file of PEM certificates", file.display()))
        };
        let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match roots {
            Ok(roots) if !roots.is_empty() => Ok(roots),
            Ok(_) => Err(wrong("holds no certificate".to_owned())),
            Err(_) => Err(wrong("is not PEM".to_owned())),
        }
    }
}

/// A cell that a command talks to.
pub struct Cell {
    /// The region's name; the address where the name is not known.
    pub name: String,
    pub client: Client,
}

impl CellArgs {
    /// The cells meant, in the order of the topology.
    pub fn cells(&self) -> Result<Vec<Cell>, Failure> {
        self.cells_in("demo.json")
    }

    /// The cells meant, with the tokens of who runs them.
    pub fn operated_cells(&self) -> Result<Vec<Cell>, Failure> {
        self.cells_in("operator.json")
    }

    /// The data folder of a local `up`.
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The one region of a local `up` that is meant, if it is one.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// A client for another address, with the token that was given.
    pub fn client(&self, url: &str) -> Result<Client, Failure> {
        Client::new(url, self.token.as_deref(), &self.trust)
    }

    /// A client for another address, without a token.
    pub fn anonymous(&self, url: &str) -> Result<Client, Failure> {
        Client::new(url, None, &self.trust)
    }

    /// Whether a local `up` is meant.
    pub fn is_local(&self) -> bool {
        self.cell.is_none()
    }

    fn cells_in(&self, file: &str) -> Result<Vec<Cell>, Failure> {
        if let Some(url) = &self.cell {
            return Ok(vec![Cell { name: url.clone(), client: Client::new(url, self.token.as_deref(), &self.trust)? }]);
        }
        let file = self.data.join(file);
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let text = format!(
                "{}: {error}\n  mend: start `domicile up` with this data folder, name another by --data, or a cell by --cell and --token",
                file.display()
            );
            Failure::Unreached(text)
        })?;
        let known: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("{}:{}: not JSON: {error}", file.display(), error.line())))?;
        let regions = known["regions"].as_object().into_iter().flatten();
        let mut cells = Vec::new();
        for (name, region) in regions.filter(|(name, _)| self.region.as_ref().is_none_or(|wanted| wanted == *name)) {
            let (Some(api), token) = (region["api"].as_str(), region["token"].as_str()) else { continue };
            cells.push(Cell { name: name.clone(), client: Client::new(api, token, &self.trust)? });
        }
        match (cells.is_empty(), &self.region) {
            (false, _) => Ok(cells),
            (true, Some(region)) => Err(Failure::usage(format!("{}: has no region `{region}`", file.display()))),
            (true, None) => Err(Failure::usage(format!("{}: names no region", file.display()))),
        }
    }
}

/// One server, over a connection that is kept.
pub struct Client {
    border: Border,
    base: String,
    authorization: Option<String>,
    line: Option<Line>,
}

impl Client {
    /// `base`: `http://` or `https://`, host, port, and a path prefix if there is one.
    pub fn new(base: &str, token: Option<&str>, trust: &TrustArgs) -> Result<Self, Failure> {
        let border = Border::new(World::real(), &command_line()?, &everywhere()?).with_roots(&trust.roots()?);
        Ok(Self {
            border,
            base: base.trim_end_matches('/').to_owned(),
            authorization: token.map(|token| format!("Bearer {token}")),
            line: None,
        })
    }

    /// The address that it was made for.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Authorizes by a write key instead of a token.
    pub fn with_authorization(self, authorization: String) -> Self {
        Self { authorization: Some(authorization), ..self }
    }

    pub async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, Failure> {
        self.send_with(method, path, body, &HeaderMap::new(), Duration::from_secs(30)).await
    }

    /// With headers besides, and for what may take longer.
    pub async fn send_with(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        more: &HeaderMap,
        whole: Duration,
    ) -> Result<Answer, Failure> {
        let limits = Limits { connect: Duration::from_secs(5), whole, answer_bytes: 256 << 20 };
        // A kept connection may have been closed by the server: then a new one is tried once.
        for fresh in [false, true] {
            let mut line = match self.line.take().filter(|_| !fresh) {
                Some(line) => line,
                None => self.connect(&limits).await?,
            };
            let mut request = self.request(&method, path, body.clone())?;
            request.headers_mut().extend(more.clone());
            match line.send(request, &limits).await {
                Ok(answer) => {
                    self.line = Some(line);
                    return Ok(answer);
                }
                Err(error) if fresh => return Err(Failure::unreached(format!("{}: {error}", self.base))),
                Err(_) => {}
            }
        }
        Err(Failure::unreached(format!("{}: no answer", self.base)))
    }

    /// The JSON at `path`; `None` when the server says that there is no such thing.
    pub async fn find_json(&mut self, path: &str) -> Result<Option<Value>, Failure> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(serde_json::from_slice(&answer.body).unwrap_or_default())),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(path, &answer)),
        }
    }

    /// A refusal as the command's failure.
    pub fn refused(&self, path: &str, answer: &Answer) -> Failure {
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = value["errors"][0]["message"].as_str().unwrap_or("it does not say why");
        let text = format!("{}{path}: {}: {said}", self.base, answer.status);
        if answer.status.is_client_error() { Failure::Usage(text) } else { Failure::Unreached(text) }
    }

    /// Hands each piece of the body at `path` to `take` as it comes, until the server ends it or `take` has enough.
    pub async fn stream(&mut self, path: &str, take: impl FnMut(&[u8]) -> bool) -> Result<(), Failure> {
        let limits = Limits { connect: Duration::from_secs(5), whole: Duration::from_secs(30), answer_bytes: 64 << 10 };
        let mut line = self.connect(&limits).await?;
        let request = self.request(&Method::GET, path, Bytes::new())?;
        let answer = line.stream(request, &limits, take).await;
        let answer = answer.map_err(|error| Failure::unreached(format!("{}: {error}", self.base)))?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(self.refused(path, &answer)) }
    }

    async fn connect(&self, limits: &Limits) -> Result<Line, Failure> {
        let ask = Ask {
            workspace: WorkspaceId::new("command-line"),
            purpose: Purpose::Command,
            url: self.base.clone(),
            place: Place::Declared(Country::new("US")),
        };
        let permit = self.border.permit(ask).await.map_err(|refusal| match refusal.code {
            // Not wrong: it may be there in a minute.
            Code::NameUnresolved => Failure::unreached(format!("{}: {}", self.base, refusal.what)),
            _ => Failure::usage(refusal),
        })?;
        self.border.open(permit, limits).await.map_err(|error| Failure::unreached(format!("{}: {error}", self.base)))
    }

    fn request(&self, method: &Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static("domicile"));
        if let Some(authorization) = &self.authorization {
            let value = http::HeaderValue::try_from(authorization)
                .map_err(|_| Failure::usage("the token or key holds characters that no header may have"))?;
            headers.insert(http::header::AUTHORIZATION, value);
        }
        let prefix =
            self.base.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        let slash = if prefix.is_empty() { "" } else { "/" };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = format!("{slash}{prefix}{path}").parse().map_err(Failure::usage)?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Says on a terminal what a cell is doing, until it is finished.
pub fn waiting(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
    let bar = ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A value for a path or a query.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A path of several parts, each encoded.
pub fn encode_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

/// The policy of the command line: it stands in no region, and goes where the operator says.
fn command_line() -> Result<Region, Failure> {
    let country = Country::new("US").ok_or_else(|| Failure::usage("no country"))?;
    Ok(Region {
        id: RegionId::new("command-line"),
        name: "command line".to_owned(),
        country,
        locations: Vec::new(),
        ingest: Vec::new(),
        plan: None,
        api: None,
        listen: None,
        key_prefix: String::new(),
        egress_addresses: Vec::new(),
        witnesses: Vec::new(),
        border: BorderPolicy { allow: CountrySet::Any, transfers: Vec::new() },
    })
}

fn everywhere() -> Result<[Network; 2], Failure> {
    let network = |range: &str| {
        let range = range.parse().map_err(Failure::usage)?;
        Ok(Network { range, country: NetworkCountry::Declared })
    };
    Ok([network("0.0.0.0/0")?, network("::/0")?])
}

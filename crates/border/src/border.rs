//! One region's border: what it is handed, and what is in force.

use crate::ask::{Ask, Purpose};
use crate::gate::{Gateway, Nowhere};
use crate::line::tls;
use crate::outside::{Outside, System};
use crate::policy::{InForce, Under};
use crate::refusal::Refusal;
use crate::witness::Witness;
use arc_swap::ArcSwap;
use domicile_keys::IdentifierHasher;
use domicile_region::{BorderPolicy, Network, Region, RegionId, Transfer};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

/// What is spoken inside TLS, as ALPN names it.
const HTTP: &[u8] = b"http/1.1";
const POSTGRES: &[u8] = b"postgresql";

/// One region's border. Cheap to clone.
#[derive(Clone)]
pub struct Border {
    pub(crate) world: World,
    pub(crate) region: RegionId,
    pub(crate) in_force: Arc<ArcSwap<InForce>>,
    /// Told when what is in force changes.
    pub(crate) changed: Arc<Notify>,
    pub(crate) networks: Arc<[Network]>,
    pub(crate) own: Arc<[SocketAddr]>,
    pub(crate) witness: Option<Arc<Witness>>,
    register: Option<Arc<dyn Register>>,
    identifiers: Arc<OnceLock<IdentifierHasher>>,
    pub(crate) outside: Arc<dyn Outside>,
    /// Where it asks, when it has no network of its own.
    pub(crate) gate: Option<Arc<Gateway>>,
    pub(crate) tls: TlsConnector,
    pub(crate) database_tls: TlsConnector,
}

/// Where refusals are written down: the ledger.
///
/// Called once for each refusal, on the task that asked, before it is told: must not block.
pub trait Register: Send + Sync {
    fn refused(&self, refusal: &Refusal);
}

impl Border {
    /// The border of `region`, with the operating system's network, from the region's `egress_addresses` if it has any. TLS
    /// trusts the public certificate authorities.
    ///
    /// `networks`: the topology's private ranges.
    pub fn new(world: World, region: &Region, networks: &[Network]) -> Self {
        Self {
            tls: tls(&world, &[], HTTP),
            database_tls: tls(&world, &[], POSTGRES),
            world,
            region: region.id.clone(),
            in_force: Arc::new(ArcSwap::from_pointee(InForce::new(region.border.clone()))),
            changed: Arc::default(),
            networks: networks.into(),
            own: Arc::new([]),
            witness: None,
            register: None,
            identifiers: Arc::default(),
            outside: Arc::new(System::new(&region.egress_addresses)),
            gate: None,
        }
    }

    /// Trusts these certificate authorities too. One that can't be read is left out.
    pub fn with_roots(self, roots: &[CertificateDer<'_>]) -> Self {
        Self { tls: tls(&self.world, roots, HTTP), database_tls: tls(&self.world, roots, POSTGRES), ..self }
    }

    /// Goes out by another network: a simulation.
    pub fn with_outside(self, outside: Arc<dyn Outside>) -> Self {
        Self { outside, ..self }
    }

    /// Goes out by a border process that listens on this Unix socket, and by nothing else: names are resolved, addresses
    /// judged and connections made there. [`Self::keep_gate`] has to run beside it.
    pub fn through_gate(self, socket: &Path) -> Self {
        Self { gate: Some(Arc::new(Gateway::new(socket))), outside: Arc::new(Nowhere), ..self }
    }

    /// Refuses to connect to where the program itself listens. An unspecified address stands for loopback too.
    pub fn with_own(self, own: Vec<SocketAddr>) -> Self {
        Self { own: own.into(), ..self }
    }

    /// Hears a second witness of where addresses are: where it names another country, nothing goes.
    pub fn with_witness(self, witness: Arc<Witness>) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// Has each refusal written down, but those of the operator's own commands.
    pub fn with_register(self, register: Arc<dyn Register>) -> Self {
        Self { register: Some(register), ..self }
    }

    /// This border on this side of its gate, with another outside, and nothing written down.
    pub(crate) fn among(&self, outside: Arc<dyn Outside>) -> Self {
        Self { outside, gate: None, register: None, ..self.clone() }
    }

    /// Whether a border process judges too, and connects.
    pub fn is_gated(&self) -> bool {
        self.gate.is_some()
    }

    /// Hashes identifiers with the cell's key where a transfer says so. A border without one makes a key of its own, which is
    /// gone with it: nothing ever goes out in the clear.
    pub fn with_identifiers(self, hasher: IdentifierHasher) -> Self {
        Self { identifiers: Arc::new(OnceLock::from(hasher)), ..self }
    }

    pub fn region(&self) -> &RegionId {
        &self.region
    }

    /// Puts another policy in force, for all clones. Lines that are open are judged again before their next request. The same
    /// again changes nothing.
    pub fn put_policy(&self, policy: BorderPolicy) {
        if *self.in_force.load().policy == policy {
            return;
        }
        let policy = Arc::new(policy);
        self.in_force.rcu(|now| InForce { policy: Arc::clone(&policy), grants: now.grants.clone() });
        self.changed.notify_waiters();
    }

    /// Puts the transfers of single workspaces in force, beside the region's policy, for all clones: all there are, in place of
    /// all before. Open lines of workspaces whose transfers changed are judged again before their next request. The same again
    /// changes nothing.
    pub fn put_grants(&self, grants: BTreeMap<WorkspaceId, Vec<Transfer>>) {
        if self.in_force.load().has_grants(&grants) {
            return;
        }
        self.in_force.rcu(|now| now.with_grants(grants.clone()));
        self.changed.notify_waiters();
    }

    /// The same border for somebody else: what is in force for one is not for the other.
    pub(crate) fn apart(&self, policy: BorderPolicy) -> Self {
        let in_force = Arc::new(ArcSwap::from_pointee(InForce::new(policy)));
        Self { in_force, changed: Arc::default(), ..self.clone() }
    }

    pub(crate) fn under(&self, ask: &Ask) -> Under {
        self.in_force.load().for_ask(ask)
    }

    pub(crate) fn identifiers(&self) -> &IdentifierHasher {
        self.identifiers.get_or_init(|| {
            let mut salt = [0; 16];
            self.world.random.fill(&mut salt);
            IdentifierHasher::new(&salt)
        })
    }

    pub(crate) fn write_down(&self, refusal: &Refusal) {
        if let Some(register) = &self.register
            && refusal.purpose != Purpose::Command
        {
            register.refused(refusal);
        }
    }
}

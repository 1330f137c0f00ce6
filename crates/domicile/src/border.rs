//! `domicile border`: a region's border as a process of its own.
//!
//! Who can connect to the socket goes out under this region's policy, so it is for one user: mode 0600, in a folder that nobody
//! else may write to, and a peer of another user is not heard.

use crate::exit::{Exit, Failure, print};
use crate::up::{Signals, chosen, read_topology, witness};
use clap::Args;
use domicile_border::{Border, Gate};
use domicile_listen::LocalListener;
use domicile_world::World;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args)]
pub struct BorderArgs {
    /// The regions; the same file as the cell's
    #[arg(long, value_name = "FILE")]
    pub topology: PathBuf,
    /// Whose border it is
    #[arg(long, value_name = "R")]
    pub region: String,
    /// The Unix socket for `domicile up --border`; in a folder that nobody else may write to
    #[arg(long, value_name = "PATH")]
    pub listen: PathBuf,
}

/// Each line of a cell holds one.
const CONNECTIONS_MAX: usize = 4_096;
/// Group and others may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

pub fn run(args: BorderArgs) -> Result<Exit, Failure> {
    crate::logging::start();
    let world = World::real();
    let topology = read_topology(Some(&args.topology), &world)?;
    let region = chosen(&topology, Some(&args.region))?.remove(0);
    let mut border = Border::new(world.clone(), &region, &topology.networks);
    if let Some(witness) = witness(Some(&args.topology), &topology, &world)? {
        border = border.with_witness(witness);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreached(format!("could not start threads: {error}")))?;
    runtime.block_on(serve(&args.listen, &world, Gate::new(border)))
}

async fn serve(path: &Path, world: &World, gate: Gate) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    check_folder(path)?;
    let _lock = lock(path)?;
    let listener = listen(path)?;
    print(&format!("border  {}\ndomicile border is ready\n", path.display()))?;
    let gate = Arc::new(gate);
    let serve = move |stream| {
        let gate = Arc::clone(&gate);
        async move { gate.serve(stream).await }
    };
    let stopped = async {
        let signal = signals.come().await;
        tracing::info!(signal, "stopping: connections are cut, and what goes out waits in the cell");
    };
    listener.serve(Arc::clone(&world.clock), CONNECTIONS_MAX, serve, stopped).await;
    drop(fs::remove_file(path));
    Ok(Exit::Done)
}

/// Where nobody else may put another socket, or a link in place of the lock.
fn check_folder(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failure::unreached(format!("{shown}: {error}"));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::metadata(folder).map_err(failed)?;
    let (mode, owner, own) = (folder.mode() & 0o7777, folder.uid(), LocalListener::user().map_err(failed)?);
    let what = if mode & WRITABLE_BY_OTHERS != 0 {
        format!("others may write to its folder (mode {mode:04o})")
    } else if owner != own && owner != 0 {
        format!("its folder belongs to another user ({owner})")
    } else {
        return Ok(());
    };
    let mend = "give a socket in a folder of this user's own, with mode 0700 (--listen)";
    Err(Failure::usage(format!("{shown}: {what}\n  mend: {mend}")))
}

/// Two border processes must not take each other's socket away.
fn lock(path: &Path) -> Result<File, Failure> {
    let fail = |what: String, mend: &str| Failure::unreached(format!("{}: {what}\n  mend: {mend}", path.display()));
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::create(&name)
        .map_err(|error| fail(error.to_string(), "give a socket in a folder that this user may write to (--listen)"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(fail(
            "another `domicile border` listens there".to_owned(),
            "stop it, or give another socket (--listen)",
        )),
        Err(TryLockError::Error(error)) => Err(fail(error.to_string(), "put the socket on a local disk")),
    }
}

/// Binds the socket, in place of one that a process before left behind.
fn listen(path: &Path) -> Result<LocalListener, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failure::unreached(format!("{shown}: {error}"));
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
        Ok(_) => {
            let what = "it is there, and is no socket\n  mend: give another path (--listen)";
            return Err(Failure::usage(format!("{shown}: {what}")));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = LocalListener::bind(path).map_err(failed)?;
    // Peers of other users are not heard; this tells them so at once.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

//! A Unix socket is heard by one user alone.

use domicile_listen::LocalListener;
use domicile_world::World;
use std::fs::{Permissions, set_permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use tokio::io::AsyncWriteExt;

/// What a process hears on the socket.
fn heard(socket: &Path) -> String {
    let mut said = String::new();
    if let Ok(mut stream) = UnixStream::connect(socket) {
        let _ = stream.read_to_string(&mut said);
    }
    said
}

/// Run by the test below as another user.
#[test]
fn other_user_child() {
    let Ok(socket) = std::env::var("LISTEN_TEST_SOCKET") else { return };
    println!("heard {}", heard(Path::new(&socket)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_user_is_heard_and_another_is_not() {
    const NOBODY: u32 = 65_534;
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("socket");
    let listener = LocalListener::bind(&socket).expect("a socket");
    let is_root = LocalListener::user().is_ok_and(|user| user == 0);
    // As open as can be: what is left is who asks.
    for (path, mode) in [(dir.path(), 0o755), (&socket, 0o666)] {
        set_permissions(path, Permissions::from_mode(mode)).expect("is mine");
    }
    let greets = async |mut stream: tokio::net::UnixStream| drop(stream.write_all(b"hello").await);
    let serving = listener.serve(World::real().clock, 4, greets, std::future::pending());
    let asking = tokio::task::spawn_blocking(move || {
        // A place is free again after each.
        for _ in 0..9 {
            assert_eq!(heard(&socket), "hello");
        }
        if !is_root {
            println!("skipped: only root can ask as another user");
            return;
        }
        let program = std::env::current_exe().expect("this program");
        let copy = socket.with_file_name("program");
        std::fs::copy(program, &copy).expect("where another user may read it");
        set_permissions(&copy, Permissions::from_mode(0o755)).expect("is mine");
        let mut child = Command::new(&copy);
        child.args(["--exact", "local::other_user_child", "--nocapture"]).env("LISTEN_TEST_SOCKET", &socket);
        for (user, expected) in [(0, "heard hello\n"), (NOBODY, "heard \n")] {
            let output = child.uid(user).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains(expected), "{user}: {said}");
        }
    });
    tokio::select! {
        () = serving => {}
        asked = asking => asked.expect("no panic"),
    }
}

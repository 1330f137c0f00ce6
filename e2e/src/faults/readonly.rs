//! A data folder that can't be written: exit code 3, which folder, how to mend it.

use crate::faults::book::{Client, close};
use crate::faults::mount::Mount;
use crate::faults::usage::ends;
use crate::tally::Tally;
use crate::up::Home;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const END_MAX: Duration = Duration::from_secs(30);

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "file", &[], |tally, home| {
        let at = |error: std::io::Error| format!("{}: {error}", home.data.display());
        fs::write(&home.data, "a file").map_err(at)?;
        tally.check("a file where the data folder belongs: exit code 3, which, and what to do", refused(home));
        let kept = fs::read(&home.data).map_err(at)?;
        tally.check("that file is left as it was", if kept == b"a file" { Ok(()) } else { Err("it is changed") });
        Ok(())
    });
    Home::test(tally, domicile, "readonly", &[], |tally, home| {
        let promise = "a read-only data folder: exit code 3, which, and what to do";
        let mount = match Mount::memory(&home.data, 64) {
            Ok(mount) => mount,
            Err(why) => return by_mode(tally, home, promise, &why),
        };
        let up = home.start_ready()?;
        let mut client = Client::of(&home.demo()?, ("eu-west", "dublin"), "before")?;
        client.send_good(3)?;
        up.stop()?;
        mount.make_readonly()?;
        tally.check(promise, refused(home));
        mount.make_writable()?;
        let up = home.start_ready()?;
        client.reconnect()?;
        client.send_good(3)?;
        close(tally, home, up, "read-only and back", &[client])?;
        drop(mount);
        Ok(())
    });
}

/// Without the right to mount: by the folder's mode, which does not hold back root.
fn by_mode(tally: &mut Tally, home: &Home, promise: &str, why: &str) -> Result<(), String> {
    let at = |error: std::io::Error| format!("{}: {error}", home.data.display());
    fs::create_dir_all(&home.data).map_err(at)?;
    fs::set_permissions(&home.data, Permissions::from_mode(0o500)).map_err(at)?;
    let held_back = fs::write(home.data.join("probe"), "").is_err();
    if held_back {
        tally.check(promise, refused(home));
    } else {
        tally.skip(promise, format!("nothing holds this user back, and no mount: {why}"));
    }
    fs::set_permissions(&home.data, Permissions::from_mode(0o700)).map_err(at)
}

fn refused(home: &Home) -> Result<(), String> {
    let ended = home.start().map_err(|error| error.to_string())?.ended(END_MAX)?;
    ends(&ended, 3, &[&home.data.to_string_lossy(), "mend:", "--data DIR"])
}

//! What the tests need and the Rust toolchain lacks: programs by name, packages by lock file.
//!
//! Debian's packages are installed as root, or by a sudo that asks for no password.

use crate::run::{DidNotRun, cache, must, program};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A cargo tool of exactly this version, built into the cache if it is not there.
pub fn cargo_tool(name: &str, version: &str) -> Result<PathBuf, DidNotRun> {
    let tools = cache().join("tools");
    let tool = tools.join("bin").join(name);
    // cargo looks at its own list first and builds nothing when this version is there.
    must(crate::run::cargo(&[
        "install",
        name,
        "--locked",
        "--quiet",
        "--version",
        version,
        "--root",
        &tools.display().to_string(),
    ]))?;
    Ok(tool)
}

/// Makes sure that a program can be started; on Debian, as root, by installing its package.
pub fn need(name: &str, package: &str) -> Result<(), DidNotRun> {
    if find(name).is_some() {
        Ok(())
    } else {
        install_package(name, package).and_then(|()| find(name).map(drop).ok_or_else(|| missing(name, package)))
    }
}

/// The programs of a package that puts them where no path looks; `place` says where.
pub fn programs(name: &str, package: &str, place: impl Fn() -> Option<PathBuf>) -> Result<PathBuf, DidNotRun> {
    if place().is_none() {
        install_package(name, package)?;
    }
    place().ok_or_else(|| missing(name, package))
}

/// Chromium: `$CHROMIUM` names it, else it is the one on the path.
pub fn chromium() -> Result<PathBuf, DidNotRun> {
    let named = env::var_os("CHROMIUM").map(PathBuf::from);
    let found = || ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find);
    match named.or_else(found) {
        Some(chromium) => Ok(chromium),
        None => {
            need("chromium", "chromium")?;
            find("chromium").ok_or_else(|| missing("chromium", "chromium"))
        }
    }
}

/// The packages of a folder with `package-lock.json`, in its `node_modules`.
pub fn npm(folder: &Path) -> Result<(), DidNotRun> {
    need("node", "nodejs")?;
    need("npm", "npm")?;
    locked(&folder.join("node_modules"), &folder.join("package-lock.json"), |_| {
        let mut command = program("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        command.current_dir(folder);
        must(command)
    })
}

/// A Python with the packages of `requirements.txt`, each checked against its hash.
pub fn python(requirements: &Path, home: &Path) -> Result<(), DidNotRun> {
    need("python3", "python3")?;
    let complete = program("python3", &["-c", "import ensurepip, venv"]).stderr(Stdio::null()).status();
    if !complete.is_ok_and(|status| status.success()) {
        install_package("Python's venv", "python3-venv")?;
    }
    locked(home, requirements, |home| {
        must(program("python3", &["-m", "venv", &home.display().to_string()]))?;
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        let mut command = program(home.join("bin/python"), &arguments);
        command.arg(requirements);
        must(command)
    })
}

/// The jars that a `pom.xml` names, each checked against the repository's checksum.
pub fn maven(pom: &Path, jars: &Path) -> Result<(), DidNotRun> {
    need("java", "default-jdk-headless")?;
    need("mvn", "maven")?;
    locked(jars, pom, |jars| {
        let mut command = program("mvn", &["--quiet", "--batch-mode", "--strict-checksums", "--file"]);
        command.arg(pom).args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
        command.arg(format!("-DoutputDirectory={}", jars.display()));
        must(command)
    })
}

/// A Go program without dependencies.
pub fn go(folder: &Path, executable: &Path) -> Result<(), DidNotRun> {
    need("go", "golang-go")?;
    let mut command = program("go", &["build", "-o"]);
    command.arg(executable).arg(".").current_dir(folder).env("GOTOOLCHAIN", "local");
    must(command)
}

/// Fills `home` anew when it was not filled from this very lock file before. The lock file's text is written into it last, so
/// that a fill that was cut off does not count.
fn locked(home: &Path, lock: &Path, fill: impl FnOnce(&Path) -> Result<(), DidNotRun>) -> Result<(), DidNotRun> {
    let at = |path: &Path, error: std::io::Error| DidNotRun(format!("{}: {error}", path.display()));
    let wanted = fs::read_to_string(lock).map_err(|error| at(lock, error))?;
    let stamp = home.join(".domicile-lock");
    if fs::read_to_string(&stamp).is_ok_and(|filled| filled == wanted) {
        return Ok(());
    }
    if home.exists() {
        fs::remove_dir_all(home).map_err(|error| at(home, error))?;
    }
    fill(home)?;
    fs::write(&stamp, wanted).map_err(|error| at(&stamp, error))
}

fn install_package(name: &str, package: &str) -> Result<(), DidNotRun> {
    let before: &[&str] = if is_root() { &[] } else { &["sudo", "--non-interactive"] };
    if find("apt-get").is_none() || before.first().is_some_and(|sudo| find(sudo).is_none()) {
        return Err(missing(name, package));
    }
    let apt = |arguments: &[&str]| {
        let surroundings = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
        let words: Vec<&str> = before.iter().copied().chain(surroundings).chain(arguments.iter().copied()).collect();
        must(program(words[0], &words[1..])).map_err(|DidNotRun(why)| {
            let DidNotRun(missing) = missing(name, package);
            DidNotRun(format!("{missing} ({why})"))
        })
    };
    apt(&["update", "--quiet=2"])?;
    apt(&["install", "--yes", "--quiet=2", "--no-install-recommends", package])
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn missing(name: &str, package: &str) -> DidNotRun {
    DidNotRun(format!("{name} is missing; on Debian: `apt-get install {package}` as root"))
}

fn find(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

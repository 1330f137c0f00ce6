//! Sign-in to the console through a real OpenID provider, honest and hostile. The scripts are in `control/oidc`.

use super::script::Script;
use crate::here;
use crate::tally::Tally;
use crate::up::Home;
use std::path::Path;
use std::process::Command;

const REGION: &str = "eu-west";

/// Lines of the log that would hold what only the provider and the cell may know.
const SECRETS: [&str; 2] = ["a-secret-that-only-the-tests-know", "eyJ"];

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "sign-in", &[], |tally, home| {
        let up = home.start_ready()?;
        let demo = home.demo()?;
        let node = |script: &str| {
            let mut command = Command::new("node");
            command.arg(here(script));
            command
        };
        let mut provider = Script::start(node("control/oidc/provider.mjs"))?;
        let told = provider.next()?.ok_or("the provider ended at its start")?;
        let mut browser = node("control/oidc/sign-in.mjs");
        let (email, password) = demo.owner(REGION)?;
        let operator = home.operator_token(REGION)?;
        browser.args([demo.cell(REGION)?, &operator, demo.token(REGION)?, email, password, &told.to_string()]);
        Script::start(browser)?.finish()?.tally(tally, "sign-in");
        let log = up.said();
        let leaks: Vec<_> = SECRETS.into_iter().filter(|text| log.contains(text)).collect();
        let outcome = if leaks.is_empty() { Ok(()) } else { Err(format!("the log holds {leaks:?}")) };
        tally.check("sign-in: neither the client's secret nor a token is in the log", outcome);
        Ok(())
    });
}

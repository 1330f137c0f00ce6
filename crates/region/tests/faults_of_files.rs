//! What is wrong with names, with the YAML, and with files that mean harm.

use crate::faults::{SOUND, check, read};
use domicile_region::Topology;
use expect_test::{Expect, expect};

#[test]
fn a_name_fits_in_a_path_and_a_host_name() {
    check(
        "eu-west:",
        "EU West:",
        expect![[r#"
        topology.yml:8:3  `EU West` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `eu-west`"#]],
    );
    check(
        "eu-west:",
        "../us-west:",
        expect![[r#"
        topology.yml:8:3  `../us-west` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `us-west`"#]],
    );
    check(
        "dublin:",
        "dublin_1:",
        expect![[r#"
        topology.yml:13:7  `dublin_1` is not a name for an ingest point
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `dublin-1`"#]],
    );
    check(
        "eu-west:",
        "'-':",
        expect![[r#"
        topology.yml:8:3  `-` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: give it another name"#]],
    );
    check(
        "    name: EU West",
        "    plan: Business!",
        expect![[r#"
        topology.yml:9:11  `Business!` is not a plan
          no account could have it, and so no workspace could choose the region
          mend: write one of `free`, `team`, `business`"#]],
    );
}

#[test]
fn two_regions_never_share_a_key_prefix() {
    check(
        "eu-west:",
        "us-west-:",
        expect![[r#"
        topology.yml:8:3  `us-west-` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `us-west`
        topology.yml:8:3  region `us-west-` has the key prefix `usw`, as `us-west` has (line 2)
          an ingest point names the right region of a misdirected event by its write key's prefix
          mend: give one of them another with `key_prefix:`, before its first write key is made"#]],
    );
    check(
        "eu-west:",
        "us-wide:",
        expect![[r#"
        topology.yml:8:3  region `us-wide` has the key prefix `usw`, as `us-west` has (line 2)
          an ingest point names the right region of a misdirected event by its write key's prefix
          mend: give one of them another with `key_prefix:`, before its first write key is made"#]],
    );
    check(
        "    name: EU West",
        "    key_prefix: usw",
        expect![[r#"
        topology.yml:9:17  region `eu-west` has the key prefix `usw`, as `us-west` has (line 2)
          an ingest point names the right region of a misdirected event by its write key's prefix
          mend: give one of them another with `key_prefix:`, before its first write key is made"#]],
    );
    check(
        "    name: EU West",
        "    key_prefix: EU_W",
        expect![[r#"
        topology.yml:9:17  `EU_W` can't begin a write key
          it stands before the key's first underscore: 1 to 16 lower-case letters and digits
          mend: write it like `euw`"#]],
    );
}

#[test]
fn a_default_region_is_one_of_the_file() {
    check(
        "regions:\n",
        "default: mars\nregions:\n",
        expect![[r#"
        topology.yml:1:10  the default region `mars` is not in `regions`
          a workspace made without a region would have none
          mend: name one of: us-west, eu-west"#]],
    );
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    check(
        "eu-west:",
        "us-west:",
        expect![[r#"
        topology.yml:8:3  `us-west` is here a second time (first in line 2)
          of two values for one name, one would be ignored
          mend: remove one of the two"#]],
    );
    check(
        "    country: IE\n",
        "    country: IE\n    country: FR\n",
        expect![[r#"
        topology.yml:11:5  `country` is here a second time (first in line 10)
          of two values for one name, one would be ignored
          mend: remove one of the two"#]],
    );
}

#[test]
fn aliases_tags_and_further_documents_are_refused() {
    check(
        "[dublin-a, dublin-b]",
        "&a [dublin-a, dublin-b]\n    plan: *a",
        expect![[r#"
        topology.yml:12:11  an alias (`*name`) is not taken here
          each thing is said where it holds, so that a change in one place can't open another
          mend: write the value out"#]],
    );
    check(
        "[EEA]",
        "*nobody",
        expect![[r#"
        topology.yml:15:14  an alias (`*name`) is not taken here
          each thing is said where it holds, so that a change in one place can't open another
          mend: write the value out"#]],
    );
    check(
        "    country: IE\n",
        "    country: !country IE\n",
        expect![[r#"
        topology.yml:10:23  a tag (`!name`) is not taken here
          what a value is follows from where it stands, and never from a tag
          mend: remove the tag"#]],
    );
    check(
        "networks:",
        "---\nnetworks:",
        expect![[r#"
        topology.yml:18:1  a second document begins here
          the file is one document, so that no part of it is overlooked
          mend: remove the line `---`, or move what follows it to a file of its own"#]],
    );
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    check(
        "[dublin-a, dublin-b]",
        "[dublin-a, dublin-b",
        expect![[r#"
        topology.yml:12:11  this is not YAML: illegal placement of ':' indicator
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "\tname: EU West",
        expect![[r#"
        topology.yml:9:2  this is not YAML: tabs disallowed within this context (block indentation)
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "    name: \"EU West",
        expect![[r#"
        topology.yml:9:11  this is not YAML: unclosed quote
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "    name: EU\u{1}West",
        expect![[r#"
        topology.yml:9:11  this is not YAML: unexpected character: `\u{1}'
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "   name: EU West",
        expect![[r#"
        topology.yml:10:12  this is not YAML: mapping values are not allowed in this context
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
}

#[test]
fn a_file_without_regions_is_no_topology() {
    let check = |text: &str, expected: Expect| expected.assert_eq(&read(text));
    check(
        "",
        expect![[r#"
        topology.yml:1:1  the file is empty
          a cell belongs to a region, and the regions are written here
          mend: begin with `regions:`; examples/topology.yml has one to copy"#]],
    );
    check(
        "# nothing but a comment\n",
        expect![[r#"
        topology.yml:1:1  the file is empty
          a cell belongs to a region, and the regions are written here
          mend: begin with `regions:`; examples/topology.yml has one to copy"#]],
    );
    check(
        "regions:",
        expect![[r#"
        topology.yml:1:8  `regions` is empty
          a mapping is needed here
          mend: write it like `{ eu-west: { country: IE, … } }`"#]],
    );
    check(
        "regions: {}",
        expect![[r#"
        topology.yml:1:10  `regions` is empty
          a cell belongs to a region, and the regions are written here
          mend: add one; examples/topology.yml has one to copy"#]],
    );
    check(
        "networks: {}",
        expect![[r#"
        topology.yml:1:1  the topology has no `regions`
          a cell belongs to a region, and the regions are written here
          mend: add `regions: { … }`"#]],
    );
    check(
        "- eu-west",
        expect![[r#"
            topology.yml:1:1  the topology is a list
              a mapping is needed here
              mend: write it like `{ regions: … }`"#]],
    );
    check(
        "just a text",
        expect![[r#"
            topology.yml:1:1  the topology is a text
              a mapping is needed here
              mend: write it like `{ regions: … }`"#]],
    );
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text = SOUND
        .replace("oregon: { country: US }", "oregon: { country: US, ulr: x }")
        .replace("    name: EU West\n", "    colour: green\n")
        .replace("[dublin-a, dublin-b]", "[oregon-b]")
        .replace("[EEA]", "[Europe]")
        .replace("2027-06-30", "2020-06-30")
        .replace("10.20.0.0/16", "10.20.0.0/99");
    expect![[r#"
        topology.yml:6:30  unknown field `ulr` in ingest point `oregon`
          a misspelt field would be ignored, and with it what it was to protect
          mend: write `url`, or remove it
        topology.yml:9:5  unknown field `colour` in region `eu-west`
          a misspelt field would be ignored, and with it what it was to protect
          mend: remove it; known here: country, name, locations, ingest, plan, api, listen, key_prefix, egress_addresses, border, witnesses
        topology.yml:11:17  location `oregon-b` is also in region `us-west` (line 4)
          a location belongs to one region, because fail-over never leaves a region
          mend: give it another name here, or remove it from `us-west`
        topology.yml:15:15  `Europe` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write a country's two capital letters, or add the group to `groups`
        topology.yml:17:72  the transfer expired on 2020-06-30
          what it let out is refused since then, and whoever wrote it may believe that it still flows
          mend: have it approved again and set a later day, or remove the transfer
        topology.yml:18:13  `10.20.0.0/99` is not a network
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]].assert_eq(&read(&text));
}

#[test]
fn a_file_past_its_limit_is_not_read() {
    let text = format!("{SOUND}# {}", "x".repeat(1 << 20));
    expect![[r#"
        topology.yml:1:1  the file has 1049037 bytes
          a topology has at most 1 MiB, so that a wrong file is not read to its end
          mend: check that this is the right file"#]]
    .assert_eq(&read(&text));
}

#[test]
fn a_hostile_file_is_refused_without_harm() {
    let deep_flow = "[".repeat(500_000);
    let deep_block = (0..700).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
    let bomb = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        let below = n - 1;
        text + &format!("a{n}: &a{n} [*a{below}, *a{below}, *a{below}, *a{below}]\n")
    });
    let networks = (0..40_000).map(|n| format!("  10.{}.{}.0/24: IE\n", n / 256, n % 256)).collect::<String>();
    let networks = SOUND.replace("networks: { 10.20.0.0/16: IE }", &format!("networks:\n{networks}"));
    for (text, expected) in [
        (deep_flow.as_str(), "this is not YAML"),
        (&deep_block, "this is not YAML"),
        (&bomb, "an alias"),
        (&networks, "sound"),
        (&"a".repeat(1 << 20), "the topology is a text"),
        (&format!("{}: 1", "é".repeat(900)), "unknown field `ééé"),
        ("\u{feff}", "the file is empty"),
        ("%YAML 9.9\n---\n", "not YAML"),
    ] {
        let told = read(text);
        assert!(told.contains(expected), "{expected}: {}", &told[..told.len().min(300)]);
    }
}

#[test]
fn a_file_cut_off_anywhere_is_read_or_refused_and_never_panics() {
    for end in (0..=SOUND.len()).filter(|&end| SOUND.is_char_boundary(end)) {
        read(&SOUND[..end]);
    }
}

#[test]
fn when_today_is_no_day_every_transfer_has_expired() {
    for today in ["", "today", "0000-00-00"] {
        let told = Topology::read("topology.yml", SOUND, today).unwrap_err().to_string();
        assert!(told.contains("17:72  the transfer expired on 2027-06-30"), "{told}");
    }
}

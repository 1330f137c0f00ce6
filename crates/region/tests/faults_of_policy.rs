//! What is wrong with countries, transfers, networks and addresses.

use crate::faults::check;
use expect_test::expect;

#[test]
fn a_country_or_group_that_does_not_exist_is_refused() {
    check(
        "[EEA]",
        "[EEA, XX]",
        expect![[r#"
        topology.yml:15:20  `XX` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write a country's two capital letters, or add the group to `groups`"#]],
    );
    check(
        "[EEA]",
        "[EEAA, IE]",
        expect![[r#"
        topology.yml:15:15  `EEAA` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write `EEA`, or add the group to `groups`"#]],
    );
    check(
        "[EEA]",
        "[eea]",
        expect![[r#"
        topology.yml:15:15  `eea` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write `EEA`"#]],
    );
    check(
        "    country: IE\n",
        "    country: ie\n",
        expect![[r#"
        topology.yml:10:14  `ie` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write `IE`"#]],
    );
    check(
        "    country: IE\n",
        "    country: UK\n",
        expect![[r#"
        topology.yml:10:14  `UK` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: the United Kingdom's code is `GB`"#]],
    );
    check(
        "to: US",
        "to: EEA",
        expect![[r#"
        topology.yml:17:17  `EEA` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write the two capital letters of one country, for example `IE`"#]],
    );
    check(
        "regions:\n",
        "groups: { IE: [IE], LAND: [EU, IE] }\nregions:\n",
        expect![[r#"
        topology.yml:1:11  `IE` can't be a group's name
          a name in `allow` is a country, a group or `any`, and never two of them
          mend: name it with letters, digits, `-` and `_`, and not like a country or `any`
        topology.yml:1:28  `EU` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write the two capital letters of one country, for example `IE`"#]],
    );
}

#[test]
fn a_transfer_that_has_expired_stops_the_start() {
    check(
        "2027-06-30",
        "2027-01-14",
        expect![[r#"
        topology.yml:17:72  the transfer expired on 2027-01-14
          what it let out is refused since then, and whoever wrote it may believe that it still flows
          mend: have it approved again and set a later day, or remove the transfer"#]],
    );
    check(
        "2027-06-30",
        "2027-02-30",
        expect![[r#"
        topology.yml:17:72  `2027-02-30` is not a day
          a date is written in one form only, so that nobody takes the month for the day
          mend: write YYYY-MM-DD, for example `2027-06-30`"#]],
    );
    check(
        "2027-06-30",
        "30.6.2027",
        expect![[r#"
        topology.yml:17:72  `30.6.2027` is not a day
          a date is written in one form only, so that nobody takes the month for the day
          mend: write YYYY-MM-DD, for example `2027-06-30`"#]],
    );
}

#[test]
fn a_transfer_needs_a_basis_that_the_law_knows() {
    check(
        "basis: dpf",
        "basis: handshake",
        expect![[r#"
        topology.yml:17:28  `handshake` is not a legal basis
          the ledger and the catalog know four
          mend: write one of: adequacy, dpf, scc, consent"#]],
    );
    check(
        "dpo@example.com",
        "''",
        expect![[r#"
        topology.yml:17:46  `approved_by` is not 1 to 200 characters on one line
          it is shown to people and written to the ledger
          mend: write it like `dpo@example.com`"#]],
    );
}

#[test]
fn fields_of_a_transfer_that_can_not_be_meant_are_refused_at_their_place() {
    for (fields, expected) in [
        (
            "{ }",
            expect![[r#"
            topology.yml:17:92  no field is named
              the transfer would let out everything
              mend: name fields under `allow`, `deny` or `hash`, or leave `fields` out"#]],
        ),
        (
            "{ alow: [event] }",
            expect![[r#"
            topology.yml:17:92  no field is named
              the transfer would let out everything
              mend: name fields under `allow`, `deny` or `hash`, or leave `fields` out
            topology.yml:17:94  unknown field `alow` in `fields`
              a misspelt field would be ignored, and with it what it was to protect
              mend: write `allow`, or remove it"#]],
        ),
        (
            "{ allow: [] }",
            expect![[r#"
            topology.yml:17:101  `allow` is empty
              it is not clear whether all is meant or nothing
              mend: name a field, or leave `allow` out"#]],
        ),
        (
            "{ allow: event }",
            expect![[r#"
            topology.yml:17:101  `allow` is a text
              a list is needed here
              mend: write it like `[event, properties.plan]`"#]],
        ),
        (
            "{ allow: [event, properties..plan], deny: [traits.email, event], hash: [userId, userId] }",
            expect![[r#"
            topology.yml:17:102  `event` never goes out, because `deny` has `event`
              one of the two would not do what it says
              mend: remove one of the two
            topology.yml:17:109  the path has an empty step
              a path that names nothing would let out what it was to keep, or keep what it was to let out
              mend: write names with one dot between, as in `context.page`
            topology.yml:17:172  `userId` is here twice
              a path that names nothing would let out what it was to keep, or keep what it was to let out
              mend: remove one"#]],
        ),
        (
            "{ deny: [messageId], truncate_ip: yes }",
            expect![[r#"
            topology.yml:17:126  `truncate_ip` is neither `true` nor `false`
              it says whether addresses go out as networks
              mend: write `truncate_ip: true`, or remove it"#]],
        ),
    ] {
        check("expires: 2027-06-30", &format!("expires: 2027-06-30, fields: {fields}"), expected);
    }
}

#[test]
fn a_database_of_countries_is_a_files_name() {
    check(
        "networks:",
        "ip_countries: [a]\nnetworks:",
        expect![[r#"
        topology.yml:18:15  `ip_countries` is a list
          a text is needed here
          mend: write it like `GeoLite2-Country.mmdb`"#]],
    );
}

#[test]
fn networks_are_ranges_and_do_not_overlap() {
    check(
        "{ 10.20.0.0/16: IE }",
        "{ 10.20.0.0/16: IE, 10.20.7.0/24: US }",
        expect![[r#"
        topology.yml:18:31  network `10.20.7.0/24` overlaps `10.20.0.0/16` (line 18)
          an address in both would be in two countries at once
          mend: split the larger one, or remove one of the two"#]],
    );
    check(
        "{ 10.20.0.0/16: IE }",
        "\n  10.20.7.0/24: US\n  fd00::/8: US\n  10.0.0.0/8: IE",
        expect![[r#"
        topology.yml:21:3  network `10.0.0.0/8` overlaps `10.20.7.0/24` (line 19)
          an address in both would be in two countries at once
          mend: split the larger one, or remove one of the two"#]],
    );
    check(
        "10.20.0.0/16",
        "10.20.0.0/33",
        expect![[r#"
        topology.yml:18:13  `10.20.0.0/33` is not a network
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]],
    );
    check(
        "10.20.0.0/16",
        "10.20.0.1/16",
        expect![[r#"
        topology.yml:18:13  `10.20.0.1/16` does not begin where a range of that size begins
          it is not clear whether the one address is meant or the whole range
          mend: write `10.20.0.0/16` for the range or `10.20.0.1` for the address"#]],
    );
    check(
        "10.20.0.0/16: IE",
        "intranet: IE",
        expect![[r#"
        topology.yml:18:13  `intranet` is not a network
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]],
    );
    check(
        "10.20.0.0/16: IE",
        "10.20.0.0/16: locale",
        expect![[r#"
        topology.yml:18:27  `locale` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write the two capital letters of one country, for example `IE`"#]],
    );
}

#[test]
fn an_address_that_can_not_be_one_is_refused() {
    check(
        "https://eu1.example.com",
        "eu1.example.com",
        expect![[r#"
        topology.yml:13:35  `eu1.example.com` is not an address that `url` can have
          SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else
          mend: write it like `https://events.example.com`"#]],
    );
    check(
        "https://eu1.example.com",
        "'https://eu1.example.com?key=1'",
        expect![[r#"
        topology.yml:13:35  `https://eu1.example.com?key=1` is not an address that `url` can have
          SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else
          mend: write it like `https://events.example.com`"#]],
    );
    check(
        "    name: EU West",
        "    api: ftp://eu1.example.com",
        expect![[r#"
        topology.yml:9:10  `ftp://eu1.example.com` is not an address that `api` can have
          SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else
          mend: write it like `https://events.example.com`"#]],
    );
    check(
        "    name: EU West",
        "    listen: localhost:7100",
        expect![[r#"
        topology.yml:9:13  `localhost:7100` is not an address to listen on
          it is an IP address and a port; a name could come to mean another machine
          mend: write it like `0.0.0.0:7101` or `[::]:7101`"#]],
    );
    check(
        "    name: EU West",
        "    egress_addresses: [198.51.100.1/29, here]",
        expect![[r#"
        topology.yml:9:24  `198.51.100.1/29` does not begin where a range of that size begins
          it is not clear whether the one address is meant or the whole range
          mend: write `198.51.100.0/29` for the range or `198.51.100.1` for the address
        topology.yml:9:41  `here` is not an address or a range of addresses
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]],
    );
    check(
        "{ country: US }",
        "{ country: US, listen: '0.0.0.0:80' }\n      oregon-2: { country: US, listen: '0.0.0.0:80' }",
        expect![[r#"
            topology.yml:7:40  `0.0.0.0:80` is also where line 6 listens
              only one can listen on a port
              mend: choose another port"#]],
    );
}

#[test]
fn a_witness_that_can_not_be_asked_or_believed_is_refused() {
    check(
        "    name: EU West",
        "    witnesses: [{ url: witness.example, key: w+01234567+BA, country: EEA }, { country: IE, since: 2027 }]",
        expect![[r#"
            topology.yml:9:24  `witness.example` is not an address that `url` can have
              SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else
              mend: write it like `https://events.example.com`
            topology.yml:9:46  `w+01234567+BA` is not a witness's key
              it is a name, eight hexadecimal digits and an Ed25519 key for cosignatures, with `+` between (c2sp.org/tlog-cosignature)
              mend: copy it whole from where the witness publishes it
            topology.yml:9:70  `EEA` is not a country
              countries are the codes that ISO 3166-1 has assigned (alpha-2)
              mend: write the two capital letters of one country, for example `IE`
            topology.yml:9:77  the witness has no `url`
              the ledger's heads are shown there
              mend: add `url: https://witness.example`
            topology.yml:9:77  the witness has no `key`
              a signature that can't be checked shows nothing
              mend: add `key: NAME+ID+KEY`
            topology.yml:9:92  unknown field `since` in the witness
              a misspelt field would be ignored, and with it what it was to protect
              mend: remove it; known here: url, key, country"#]],
    );
    let key = format!("w.example+01234567+B{}", "A".repeat(43));
    let witness = format!("{{ url: 'https://w.example', key: {key}, country: IE }}");
    check(
        "    name: EU West",
        &format!("    witnesses: [{witness}, {witness}]"),
        expect![[r#"
        topology.yml:9:130  this witness is here twice
          one that is asked twice has still seen the ledger once
          mend: remove one"#]],
    );
}

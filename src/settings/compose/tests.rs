//! A compose file's text against the labels that Compose would make of it.

use super::*;

fn variable(name: &str) -> Option<String> {
    (name == "ZONE").then(|| "Europe/Berlin".to_owned())
}

fn read(text: &str) -> ComposeFile {
    parse("/srv/My Shop/compose.yaml", text, None, &variable)
}

fn told(file: &ComposeFile) -> Vec<String> {
    file.diagnostics.iter().map(|it| format!("{}: {}", it.origin, it.reason)).collect()
}

fn labels<'a>(file: &'a ComposeFile, container: &str) -> &'a BTreeMap<String, String> {
    &file.containers.iter().find(|it| &*it.name == container).unwrap().labels
}

/// The lines of a service `web`, with `labels:` above them.
fn web(lines: &str) -> ComposeFile {
    read(&format!("services:\n  web:\n    image: x\n    labels:\n{lines}"))
}

#[test]
fn labels_as_a_map_and_as_a_list_are_the_same() {
    let map = web("      watchbell.enabled: true\n      a: 5\n      b:\n      c: \"010\"\n      d: x=y\n");
    let list =
        web("      - watchbell.enabled=true\n      - a=5\n      - b\n      - \"c=010\"\n      - d=x=y\n");
    assert_eq!(told(&map), [""; 0]);
    assert_eq!(told(&list), [""; 0]);
    assert_eq!(map.containers[0].labels, list.containers[0].labels);
    let all = labels(&map, "myshop-web-1");
    assert_eq!((&*all["a"], &*all["b"], &*all["c"], &*all["d"]), ("5", "", "010", "x=y"));
}

#[test]
fn every_label_has_its_line_and_column() {
    let file =
        web("      watchbell.enabled: true\n      # words\n      x.y:   >\n        one\n        two\n");
    let at = |key: &str| {
        let place = file.places[&("myshop-web-1".into(), key.into())];
        (place.key.line, place.key.column, place.value.line, place.value.column)
    };
    assert_eq!(at("watchbell.enabled"), (5, 7, 5, 26));
    assert_eq!((at("x.y").0, at("x.y").1), (7, 7));
    assert_eq!(labels(&file, "myshop-web-1")["x.y"], "one two\n");
    let list = web("      - watchbell.enabled=true\n");
    assert_eq!(
        list.places[&("myshop-web-1".into(), "watchbell.enabled".into())].key,
        Place { line: 5, column: 9 }
    );
}

#[test]
fn identities_come_out_as_on_an_engine() {
    let home = |text: &str, project: Option<&str>| {
        let file = parse("compose.yaml", text, project, &variable);
        (file.containers[0].home(), file.containers[0].name.to_string())
    };
    let service = "services: {web: {image: x}}\n";
    assert_eq!(read(service).containers[0].home(), "myshop.web");
    assert_eq!(home(service, Some("Other")), ("other.web".into(), "other-web-1".into()));
    let named = format!("name: shop\n{service}");
    assert_eq!(home(&named, Some("other")), ("shop.web".into(), "shop-web-1".into()));
    let container = "services: {web: {image: x, container_name: \"c-${ZONE:+z}\"}}\n";
    assert_eq!(home(container, Some("p")), ("p.web".into(), "c-z".into()));
    assert_eq!(normalise("-_My.Shop 2"), "myshop2");
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let file = read(
        "x-base: &base\n  a: 1\n  b: 1\nx-more: &more {b: 2, c: 2}\nservices:\n  web:\n    labels:\n      <<: [*base, *more]\n      a: 0\n  db:\n    labels: *base\n  api: &api\n    labels: [z=1]\n  api2:\n    <<: *api\n    image: x\n",
    );
    assert_eq!(told(&file), [""; 0]);
    let all = labels(&file, "myshop-web-1");
    assert_eq!((&*all["a"], &*all["b"], &*all["c"]), ("0", "1", "2"));
    assert_eq!(labels(&file, "myshop-db-1")["b"], "1");
    assert_eq!(labels(&file, "myshop-api2-1")["z"], "1");
    assert_eq!(file.places[&("myshop-db-1".into(), "b".into())].key, Place { line: 3, column: 3 });
}

#[test]
fn variables_are_put_in_and_one_that_is_not_set_is_told() {
    let file = web("      a: ${ZONE} $$HOME ${NO:-x}\n      b: $NO\n      c: echo $(date)\n");
    let all = labels(&file, "myshop-web-1");
    assert_eq!((&*all["a"], &*all["b"], &*all["c"]), ("Europe/Berlin $HOME x", "", "echo $(date)"));
    let told = told(&file);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("(label b): the variable NO is not set"), "{told:?}");
    assert!(told[1].contains("(label c): ") && told[1].contains("write $$"), "{told:?}");
    assert_eq!(file.diagnostics[0].severity, Severity::Warning);
    assert_eq!(file.diagnostics[1].severity, Severity::Error);
}

#[test]
fn each_mistake_is_one_diagnostic_with_its_place_and_costs_nothing_else() {
    let good = "  good:\n    labels: {a: b}\n";
    for (text, line, reason) in [
        ("  web:\n    labels:\n      a: 1\n      a: 2\n", 6, "the key \"a\" is also given in line 5"),
        ("  web:\n    labels: text\n", 4, "\"labels\" is a map"),
        ("  web:\n    labels:\n      - {a: 1}\n", 5, "written KEY=VALUE"),
        ("  web:\n    labels:\n      - a=1\n      - a=2\n", 6, "given twice"),
        ("  web: text\n", 3, "has nothing in it"),
        ("  web:\n    extends: {service: good}\n", 4, "not followed"),
        ("  web:\n    deploy:\n      labels:\n        watchbell.enabled: true\n", 6, "Swarm service's"),
        ("  web:\n    deploy:\n      labels: [watchbell.enabled=true]\n", 5, "Swarm service's"),
    ] {
        let file = read(&format!("# file\nservices:\n{text}{good}"));
        let told = told(&file);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(told[0].contains(reason), "{told:?}");
        assert!(told[0].starts_with(&format!("/srv/My Shop/compose.yaml:{line}: ")), "{text}: {told:?}");
        assert!(file.columns.contains_key(&line));
        assert_eq!(labels(&file, "myshop-good-1")["a"], "b", "{text}");
    }
    let file = web("      watchbell.job-exec.a.command: [echo, \"a b\"]\n");
    assert!(told(&file)[0].contains("(label watchbell.job-exec.a.command): a label is one text"));
    assert_eq!(labels(&file, "myshop-web-1")["watchbell.job-exec.a.command"], "[\"echo\",\"a b\"]");
}

#[test]
fn what_is_no_compose_file_is_one_diagnostic() {
    for text in [
        "",
        "a: b\n",
        "[]",
        "services:\n",
        "services: [a]\n",
        "a: [\n",
        "\t",
        "--- x\n...\n",
        "services: 5\n",
    ] {
        assert_eq!(read(text).diagnostics.len(), 1, "{text:?}: {:?}", told(&read(text)));
    }
    let file = read("services:\n  web:\n   - a\n  b: {\n");
    let [it] = &file.diagnostics[..] else { panic!("{:?}", told(&file)) };
    assert!(it.reason.contains("the YAML cannot be read"));
    assert!(!read("include: [x]\nservices: {a: {image: x}}").diagnostics.is_empty());
}

/// Billions of labels in a few lines cost neither memory nor time.
#[test]
fn a_file_that_repeats_without_end_is_cut_short() {
    let repeat = |n: u8| {
        let below = [format!("*x{}", n - 1).as_str(); 8].join(", ");
        format!("x-{n}: &x{n} {{<<: [{below}]}}")
    };
    let chain: Vec<String> = (1..40).map(repeat).collect();
    let text = format!("x-0: &x0 {{a: 1, b: 2}}\n{}\n", chain.join("\n"));
    let file = read(&format!("{text}services: {{web: {{labels: *x39}}}}\n"));
    assert!(told(&file).iter().any(|it| it.contains("repeats too much")), "{:?}", told(&file));
    assert_eq!(file.diagnostics.len(), 1);

    let many = |name: &str, is: &str| {
        let all: Vec<String> = (0..5000).map(|n| format!("{name}{n}: {is}")).collect();
        all.join(", ")
    };
    let (labels, services) = (many("l", "v"), many("s", "*s"));
    let file = read(&format!("x: &s {{labels: {{{labels}}}}}\nservices: {{{services}}}\n"));
    assert_eq!(file.diagnostics.len(), 1, "{:?}", told(&file));
    assert!(file.places.len() < 500_000);
}

#[test]
fn a_variable_in_the_key_of_a_list_is_told_at_the_label_that_it_makes() {
    let file = web("      - watchbell.enabled=true\n      - a.$ZONE.${GONE}b=x\n");
    let [it] = &file.diagnostics[..] else { panic!("{:?}", told(&file)) };
    let Origin::Label { container, label } = &it.origin else { panic!("{it:?}") };
    assert_eq!(&**label, "a.Europe/Berlin.b");
    assert_eq!(file.places[&(container.clone(), label.clone())].key.line, 6);
}

#[test]
fn a_container_name_that_two_services_have_is_told_once() {
    let file = read("services:\n  a:\n    container_name: x\n  b:\n    image: y\n    container_name: x\n");
    let [it] = &file.diagnostics[..] else { panic!("{:?}", told(&file)) };
    assert!(it.origin.to_string().ends_with(":6") && it.reason.contains("another service"), "{it:?}");
}

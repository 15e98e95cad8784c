//! The tables, held against the document.

use std::collections::HashSet;

use super::*;

const DOCUMENT: &str = include_str!("../../docs/PROTOCOL.md");

/// The headings of the document, each with what is below it up to the next one, in one line. Some headings are there twice.
fn sections() -> Vec<(&'static str, String)> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            sections.push((heading.trim_start_matches('#').trim(), String::new()));
        } else if let Some((_, text)) = sections.last_mut() {
            text.extend(line.split_whitespace().flat_map(|word| [word, " "]));
        }
    }
    sections
}

#[test]
fn every_behaviour_quotes_what_the_document_says() {
    let sections = sections();
    let is_said = |behaviour: &Behaviour| {
        let mut below = sections.iter().filter(|(heading, _)| *heading == behaviour.section);
        below.any(|(_, text)| text.contains(behaviour.says))
    };

    let behaviours = topics::TOPICS.iter().copied().flatten();
    let unsaid = behaviours.filter(|behaviour| !is_said(behaviour));

    let unsaid: Vec<_> = unsaid.map(|Behaviour { name, section, says, .. }| (name, section, says)).collect();
    assert_eq!(unsaid, [], "docs/PROTOCOL.md does not say below these headings what these behaviours quote");
}

#[test]
fn every_behaviour_has_a_name_of_its_own() {
    let mut names = HashSet::new();

    for behaviour in topics::TOPICS.iter().copied().flatten() {
        assert!(names.insert(behaviour.name), "{:?} is there twice", behaviour.name);
        assert!(!behaviour.wires.is_empty(), "{:?} is on no wire", behaviour.name);
    }
}

/// What the tables of the document refuse with, in code quotes at the beginning of a row.
fn refusals_of(document: &str) -> impl Iterator<Item = &str> {
    document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(why, _)| why)
}

#[test]
fn every_refusal_of_version_1_is_known_to_the_suite() {
    let (version_1, _) = DOCUMENT.split_once("# The wire, version 2").unwrap();
    let known = include_str!("refusals.rs");
    let unseen = ["the server is busy and has done nothing; try again in a few seconds", "internal error"];
    let sentences = refusals_of(version_1).filter(|why| why.contains(' ') && !unseen.contains(why));

    let mut count = 0;
    for why in sentences {
        let with_a_figure = why.starts_with("content is over") || why.starts_with("a request has at most");
        assert!(with_a_figure || known.contains(&format!("\"{why}\"")), "src/conformance/refusals.rs lacks {why:?}");
        count += 1;
    }
    assert!(count > 15, "the document has {count} refusals of version 1");
}

#[test]
fn every_sentence_of_the_suite_is_in_the_document() {
    let sentences = include_str!("refusals.rs").split('"').skip(1).step_by(2).filter(|text| text.contains(' '));

    for why in sentences.filter(|why| !why.contains(['{', '('])) {
        assert!(DOCUMENT.contains(&format!("`{why}`")), "the document does not know {why:?}");
    }
}

//! Where each setting stands in the text: what serde's values forget.

use crate::path::{SettingPath, Step};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;

/// A node's number.
pub type Id = usize;

/// The text's nodes with their places; an alias is the node that it names.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    root: Option<Id>,
    /// Keys that a section has twice: the first one's node and the second one's.
    pub twice: Vec<(Id, Id)>,
    /// Where a second document starts.
    pub second_document: Option<(usize, usize)>,
}

/// A scalar, a list or a section.
#[derive(Debug, Clone)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The container that it stands in, and how it is reached from there; `None` for keys and for the root.
    parent: Option<(Id, Step)>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Scalar { text: String, quoted: bool },
    List(Vec<Id>),
    Section(Vec<(Id, Id)>),
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The key, where the path ends in a key.
    pub key: Option<Id>,
    /// The value.
    pub value: Id,
    /// How many of the path's steps exist.
    pub steps: usize,
}

impl Tree {
    /// Reads as much of `text` as is YAML.
    ///
    /// This parser wants the lines inside brackets indented and no tabs, serde_yaml's does not: such lines are moved to
    /// the right, and a tab counts as a space.
    pub fn read(text: &str) -> Self {
        let mut lines: Vec<String> = text.split_inclusive('\n').map(|line| line.replace('\t', " ")).collect();
        let mut moved = vec![0; lines.len()];
        loop {
            let (mut tree, error) = build(&lines.concat());
            let indentation = ["invalid indentation in flow construct", "invalid indentation"];
            let line = error.filter(|error| indentation.contains(&error.info()));
            let line = line.map(|error| error.marker().line() - 1).filter(|line| moved.get(*line) == Some(&0));
            match line {
                Some(line) if moved.iter().filter(|by| **by > 0).count() < 100 => {
                    moved[line] = MOVE.len();
                    lines[line].insert_str(0, MOVE);
                }
                _ => {
                    for node in &mut tree.nodes {
                        node.column -= moved.get(node.line - 1).copied().unwrap_or_default().min(node.column - 1);
                    }
                    return tree;
                }
            }
        }
    }

    /// The node `id`.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// The node at `path`, or the nearest above it that exists; `None` only for an empty text.
    pub fn find(&self, path: &SettingPath) -> Option<Found> {
        let mut found = Found { key: None, value: self.root?, steps: 0 };
        for step in &path.steps {
            let (key, value) = match (step, &self.nodes[found.value].content) {
                (Step::Index(index), Content::List(entries)) if *index < entries.len() => (None, entries[*index]),
                (Step::Key(key), Content::Section(_)) => match self.entry(found.value, key, 0) {
                    Some((key, value)) => (Some(key), value),
                    None => break,
                },
                _ => break,
            };
            found = Found { key, value, steps: found.steps + 1 };
        }
        Some(found)
    }

    /// The key and the value of `name` in a section, also when a merge (`<<`) brings it in.
    fn entry(&self, section: Id, name: &str, depth: usize) -> Option<(Id, Id)> {
        let Content::Section(entries) = &self.nodes[section].content else { return None };
        let own = entries.iter().find(|(key, _)| self.nodes[*key].text() == Some(name));
        if own.is_some() || depth > 100 {
            return own.copied();
        }
        let merges = entries.iter().filter(|(key, _)| self.nodes[*key].text() == Some("<<"));
        let sources = merges.flat_map(|(_, source)| match &self.nodes[*source].content {
            Content::List(sources) => sources.clone(),
            _ => vec![*source],
        });
        sources.into_iter().find_map(|source| self.entry(source, name, depth + 1))
    }

    /// The path of the last scalar that starts at or before a place.
    pub fn path_at(&self, line: usize, column: usize) -> Option<SettingPath> {
        let before =
            |node: &&Node| node.text().is_some() && node.parent.is_some() && (node.line, node.column) <= (line, column);
        let ids = (0..self.nodes.len()).filter(|id| before(&&self.nodes[*id]));
        ids.max_by_key(|id| (self.nodes[*id].line, self.nodes[*id].column)).map(|id| self.path_of(id))
    }

    /// The path of a value.
    fn path_of(&self, mut id: Id) -> SettingPath {
        let mut steps = Vec::new();
        while let Some((parent, step)) = &self.nodes[id].parent {
            steps.push(step.clone());
            id = *parent;
        }
        steps.reverse();
        SettingPath { steps }
    }

    /// The path of the section that holds this key.
    pub fn section_of(&self, key: Id) -> SettingPath {
        let holds_key = |id: &Id| match &self.nodes[*id].content {
            Content::Section(entries) => entries.iter().any(|(own, _)| *own == key),
            _ => false,
        };
        (0..self.nodes.len()).find(holds_key).map(|id| self.path_of(id)).unwrap_or_default()
    }

    /// The first key of this text, anywhere.
    pub fn key_named(&self, name: &str) -> Option<Id> {
        (0..self.nodes.len()).find(|id| self.nodes[*id].parent.is_none() && self.nodes[*id].text() == Some(name))
    }
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is a scalar that stands in quotes.
    pub fn is_quoted(&self) -> bool {
        matches!(self.content, Content::Scalar { quoted: true, .. })
    }

    /// Whether nothing is written there.
    pub fn is_empty(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, quoted: false } if text.is_empty())
    }
}

/// Deeper than any block.
const MOVE: &str = "                                                                                ";

/// The tree up to the first error, and that error.
fn build(text: &str) -> (Tree, Option<ScanError>) {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => return (builder.tree, Some(error)),
        }
    }
    (builder.tree, None)
}

#[derive(Default)]
struct Builder {
    tree: Tree,
    documents: usize,
    anchors: HashMap<usize, Id>,
    /// The containers that are open, each with the key that waits for its value.
    open: Vec<(Id, Option<Id>)>,
}

impl Builder {
    fn take(&mut self, event: Event, span: Span) {
        let place = (span.start.line(), span.start.col() + 1);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.tree.second_document = Some(place);
                }
            }
            _ if self.documents > 1 => {}
            Event::Scalar(text, style, anchor, _) => {
                let quoted = style != ScalarStyle::Plain;
                // The parser calls an absent value `~`.
                let text = if span.is_empty() && !quoted { String::new() } else { text.into_owned() };
                let id = self.add(place, Content::Scalar { text, quoted }, anchor);
                self.attach(id, true);
            }
            Event::SequenceStart(anchor, _) => self.enter(place, Content::List(vec![]), anchor),
            Event::MappingStart(anchor, _) => self.enter(place, Content::Section(vec![]), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::Alias(anchor) => {
                if let Some(id) = self.anchors.get(&anchor) {
                    self.attach(*id, false);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }

    fn add(&mut self, (line, column): (usize, usize), content: Content, anchor: usize) -> Id {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(Node { line, column, parent: None, content });
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn enter(&mut self, place: (usize, usize), content: Content, anchor: usize) {
        let id = self.add(place, content, anchor);
        self.attach(id, true);
        self.open.push((id, None));
    }

    /// Puts a node into the innermost open container; `own` when it stands there itself, not as an alias.
    fn attach(&mut self, id: Id, own: bool) {
        let Some((container, waiting)) = self.open.last_mut() else {
            self.tree.root.get_or_insert(id);
            return;
        };
        let container = *container;
        let step = match (&mut self.tree.nodes[container].content, waiting.take()) {
            (Content::List(entries), _) => {
                entries.push(id);
                Step::Index(entries.len() - 1)
            }
            (Content::Section(entries), Some(key)) => {
                entries.push((key, id));
                Step::Key(self.tree.nodes[key].text().unwrap_or("?").to_string())
            }
            (Content::Section(_), None) => {
                *waiting = Some(id);
                return self.note_if_twice(container, id);
            }
            (Content::Scalar { .. }, _) => return,
        };
        if own {
            self.tree.nodes[id].parent = Some((container, step));
        }
    }

    fn note_if_twice(&mut self, section: Id, key: Id) {
        let Content::Section(entries) = &self.tree.nodes[section].content else { return };
        let Some(text) = self.tree.nodes[key].text() else { return };
        let first = entries.iter().find(|(other, _)| self.tree.nodes[*other].text() == Some(text));
        if let Some((first, _)) = first {
            self.tree.twice.push((*first, key));
        }
    }
}

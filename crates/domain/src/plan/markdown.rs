//! Markdown text → blocks: headings, paragraphs and lists with their places, as CommonMark sees them. What they mean for a plan is not known here.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::mistake::Span;

/// A block.
pub(super) enum Block {
    /// A heading; the place of its text without marks.
    Heading { level: u8, span: Span },
    /// A paragraph.
    Paragraph(Span),
    /// A code block, fenced or indented, and what is in it.
    Code { span: Span, body: String },
    /// A list.
    List(Vec<Item>),
    /// Anything else: a quote, HTML, a comment, a rule.
    Other(Span),
}

/// An item of a list.
pub(super) struct Item {
    /// All of it, with its marker.
    pub(super) span: Span,
    /// Whether it has a box, and whether that is ticked.
    pub(super) ticked: Option<bool>,
    /// The code span that it begins with.
    pub(super) code: Option<(Span, String)>,
    /// Its first paragraph, without the box.
    pub(super) text: Span,
    /// What follows.
    pub(super) blocks: Vec<Block>,
}

/// What is open while the events go by.
enum Open {
    List(Vec<Item>),
    Item(Item),
}

/// Where the words that go by belong.
enum Words {
    /// Nowhere yet; in an item of a dense list they open a paragraph of their own.
    None,
    Paragraph(Option<Span>),
    Heading(u8, Option<Span>),
    Code(Span, String),
    /// Within something whose inside is of no interest, so many levels deep.
    Skipped(Span, usize),
}

struct Builder {
    blocks: Vec<Block>,
    open: Vec<Open>,
    words: Words,
}

/// Reads a text into blocks.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut builder = Builder { blocks: Vec::new(), open: Vec::new(), words: Words::None };
    for (event, span) in Parser::new_ext(text, Options::ENABLE_TASKLISTS).into_offset_iter() {
        builder.see(event, span);
    }
    builder.end_words();
    builder.blocks
}

impl Builder {
    fn see(&mut self, event: Event<'_>, span: Span) {
        if let Words::Skipped(_, depth) = &mut self.words {
            match event {
                Event::Start(_) => *depth += 1,
                Event::End(_) => *depth -= 1,
                Event::Text(_)
                | Event::Code(_)
                | Event::InlineMath(_)
                | Event::DisplayMath(_)
                | Event::Html(_)
                | Event::InlineHtml(_)
                | Event::FootnoteReference(_)
                | Event::SoftBreak
                | Event::HardBreak
                | Event::Rule
                | Event::TaskListMarker(_) => {}
            }
            if matches!(self.words, Words::Skipped(_, 0)) {
                self.end_words();
            }
            return;
        }
        match event {
            Event::Start(tag) => self.start(tag, span),
            Event::End(tag) => self.end(tag),
            Event::Rule => {
                self.end_words();
                self.add(Block::Other(span));
            }
            Event::TaskListMarker(ticked) => {
                if let Some(Open::Item(item)) = self.open.last_mut() {
                    item.ticked = Some(ticked);
                    item.text = span.end..span.end;
                }
            }
            Event::Code(code) => {
                if !self.has_words()
                    && let Some(Open::Item(item)) = self.open.last_mut()
                    && item.blocks.is_empty()
                {
                    item.code = Some((span.clone(), code.into_string()));
                }
                self.word(&span);
            }
            Event::Text(words) => match &mut self.words {
                Words::Code(_, body) => body.push_str(&words),
                Words::None | Words::Paragraph(_) | Words::Heading(..) | Words::Skipped(..) => self.word(&span),
            },
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak => self.word(&span),
        }
    }

    fn start(&mut self, tag: Tag<'_>, span: Span) {
        match tag {
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Superscript | Tag::Subscript | Tag::Link { .. } | Tag::Image { .. } => {
                self.word(&span)
            }
            Tag::Paragraph => self.begin(Words::Paragraph(None)),
            Tag::Heading { level, .. } => self.begin(Words::Heading(level as u8, None)),
            Tag::CodeBlock(_) => self.begin(Words::Code(span, String::new())),
            Tag::List(_) => {
                self.begin(Words::None);
                self.open.push(Open::List(Vec::new()));
            }
            Tag::Item => {
                self.begin(Words::None);
                let text = span.start..span.start;
                self.open.push(Open::Item(Item { span, ticked: None, code: None, text, blocks: Vec::new() }));
            }
            Tag::BlockQuote(_)
            | Tag::HtmlBlock
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Table(_)
            | Tag::TableHead
            | Tag::TableRow
            | Tag::TableCell
            | Tag::MetadataBlock(_) => self.begin(Words::Skipped(span, 1)),
        }
    }

    fn begin(&mut self, words: Words) {
        self.end_words();
        self.words = words;
    }

    fn end(&mut self, tag: TagEnd) {
        if matches!(tag, TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Item | TagEnd::List(_)) {
            self.end_words();
        }
        match (tag, self.open.last()) {
            (TagEnd::Item, Some(Open::Item(_))) => {
                if let (Some(Open::Item(item)), Some(Open::List(items))) = (self.open.pop(), self.open.last_mut()) {
                    items.push(item);
                }
            }
            (TagEnd::List(_), Some(Open::List(_))) => {
                if let Some(Open::List(items)) = self.open.pop() {
                    self.add(Block::List(items));
                }
            }
            _ => {}
        }
    }

    /// Whether the paragraph that is open has words already.
    fn has_words(&self) -> bool {
        matches!(self.words, Words::Paragraph(Some(_)) | Words::Heading(_, Some(_)) | Words::Code(..))
    }

    fn word(&mut self, word: &Span) {
        if matches!(self.words, Words::None) {
            self.words = Words::Paragraph(None);
        }
        match &mut self.words {
            Words::Paragraph(span) | Words::Heading(_, span) => match span {
                Some(span) => span.end = span.end.max(word.end),
                None => *span = Some(word.clone()),
            },
            Words::None | Words::Code(..) | Words::Skipped(..) => {}
        }
    }

    fn end_words(&mut self) {
        match std::mem::replace(&mut self.words, Words::None) {
            Words::None | Words::Paragraph(None) => {}
            Words::Paragraph(Some(span)) => match self.open.last_mut() {
                Some(Open::Item(item)) if item.blocks.is_empty() && item.text.is_empty() => item.text = span,
                Some(Open::Item(_) | Open::List(_)) | None => self.add(Block::Paragraph(span)),
            },
            Words::Heading(level, span) => self.add(Block::Heading { level, span: span.unwrap_or(0..0) }),
            Words::Code(span, body) => self.add(Block::Code { span, body }),
            Words::Skipped(span, _) => self.add(Block::Other(span)),
        }
    }

    fn add(&mut self, block: Block) {
        match self.open.last_mut() {
            Some(Open::Item(item)) => item.blocks.push(block),
            Some(Open::List(_)) | None => self.blocks.push(block),
        }
    }
}

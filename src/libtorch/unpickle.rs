//! Python's pickle as plain data: it is read, and nothing in it is run.
//!
//! An opcode that would call a function or make an object only notes the function's name and its arguments; the reader
//! of the data decides which few of them it knows. Opcodes: Python's `pickletools`, protocols 2 to 5 (`torch.save` writes 2).

use std::collections::HashMap;

/// A value's place in [`Pickle::values`].
pub type Id = usize;

/// A value of Python.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` of 64 bits.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Text(String),
    /// `bytes`, or an `int` of more than 64 bits.
    Bytes(Vec<u8>),
    /// A `list`, a `tuple` or a `set`.
    Sequence(Vec<Id>),
    /// A `dict` or an `OrderedDict`.
    Dict(Vec<(Id, Id)>),
    /// A function or a class, by module and name.
    Global(String),
    /// What `function(*arguments)` would give.
    Call {
        /// The function or class.
        function: Id,
        /// Its arguments, a sequence.
        arguments: Id,
    },
    /// Something outside of the pickle: a storage.
    Persistent(Id),
}

/// All values of a pickle.
#[derive(Debug)]
pub struct Pickle {
    values: Vec<Value>,
    /// The pickled value itself.
    pub root: Id,
}

impl std::ops::Index<Id> for Pickle {
    type Output = Value;

    fn index(&self, id: Id) -> &Value {
        &self.values[id]
    }
}

/// Reads a pickle.
///
/// # Errors
/// It is cut short, damaged, or uses an opcode that no `torch.save` writes.
pub fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { rest: bytes, ..Machine::default() };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok(Pickle { values: machine.values, root })
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at which a MARK stands.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    /// One opcode; false at the end.
    fn step(&mut self) -> Step<bool> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return Ok(false),
            0x80 => self.take(1).map(|_| ())?, // PROTO
            0x95 => self.take(8).map(|_| ())?, // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.pop().map(|_| ())?,
            b'1' => self.pop_mark().map(|_| ())?,
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
            }
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88)),
            b'J' | b'K' | b'M' | 0x8a | 0x8b | b'G' => self.number(opcode)?,
            b'X' | 0x8c | 0x8d => self.text(opcode)?,
            b'B' | b'C' | 0x8e | 0x96 => self.binary(opcode)?,
            b']' | b')' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' | 0x91 | 0x85 | 0x86 | 0x87 => self.sequence(opcode)?,
            b'a' | b'e' | 0x90 => self.append(opcode)?,
            b's' | b'u' => self.items(opcode)?,
            b'c' | 0x93 => self.global(opcode)?,
            b'R' | 0x81 => self.reduce()?,
            0x92 => {
                self.pop()?; // NEWOBJ_EX: the arguments given by keyword
                self.reduce()?;
            }
            b'b' => self.pop().map(|_| ())?, // BUILD: an object's attributes (an OrderedDict's _metadata)
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            b'q' | b'r' | 0x94 => self.put(opcode)?,
            b'h' | b'j' => self.get(opcode)?,
            _ => return Err(format!("the pickle holds an unknown opcode {opcode:#04x}")),
        }
        Ok(true)
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("the pickle takes more from its stack than is there".into());
        }
        self.stack.pop().ok_or_else(|| "the pickle's stack is empty".into())
    }

    fn top(&self) -> Step<Id> {
        self.stack.last().copied().ok_or_else(|| "the pickle's stack is empty".into())
    }

    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("the pickle lacks a mark")?;
        if mark > self.stack.len() {
            return Err("the pickle's marks are in disorder".into());
        }
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, size: usize) -> Step<&'a [u8]> {
        if size > self.rest.len() {
            return Err("the pickle is cut short".into());
        }
        let (taken, rest) = self.rest.split_at(size);
        self.rest = rest;
        Ok(taken)
    }

    fn line(&mut self) -> Step<String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or("the pickle is cut short")?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    /// A little-endian number of `size` bytes.
    fn unsigned(&mut self, size: usize) -> Step<u64> {
        Ok(self.take(size)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn sized(&mut self, width: usize) -> Step<&'a [u8]> {
        let size = self.unsigned(width)?;
        self.take(usize::try_from(size).unwrap_or(usize::MAX))
    }

    fn number(&mut self, opcode: u8) -> Step<()> {
        let value = match opcode {
            b'K' => Value::Int(self.unsigned(1)? as i64),
            b'M' => Value::Int(self.unsigned(2)? as i64),
            b'J' => Value::Int(i64::from(self.unsigned(4)? as u32 as i32)),
            b'G' => Value::Float(f64::from_be_bytes(self.take(8)?.try_into().expect("8 bytes"))),
            _ => {
                let bytes = self.sized(if opcode == 0x8a { 1 } else { 4 })?;
                long(bytes).map_or_else(|| Value::Bytes(bytes.to_vec()), Value::Int)
            }
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, opcode: u8) -> Step<()> {
        let bytes = self.sized(match opcode {
            0x8c => 1,
            0x8d => 8,
            _ => 4,
        })?;
        self.push(Value::Text(String::from_utf8_lossy(bytes).into_owned()));
        Ok(())
    }

    fn binary(&mut self, opcode: u8) -> Step<()> {
        let bytes = self.sized(match opcode {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        })?;
        self.push(Value::Bytes(bytes.to_vec()));
        Ok(())
    }

    fn sequence(&mut self, opcode: u8) -> Step<()> {
        let items = match opcode {
            0x85..=0x87 => {
                let mut items = (0x85..=opcode).map(|_| self.pop()).collect::<Step<Vec<_>>>()?;
                items.reverse();
                items
            }
            _ => self.pop_mark()?,
        };
        self.push(Value::Sequence(items));
        Ok(())
    }

    fn append(&mut self, opcode: u8) -> Step<()> {
        let items = if opcode == b'a' { vec![self.pop()?] } else { self.pop_mark()? };
        let target = self.top()?;
        // Items of an object that is more than a list are attributes that nobody here reads.
        if let Value::Sequence(sequence) = &mut self.values[target] {
            sequence.extend(items);
        }
        Ok(())
    }

    fn items(&mut self, opcode: u8) -> Step<()> {
        let flat = if opcode == b's' {
            let value = self.pop()?;
            vec![self.pop()?, value]
        } else {
            self.pop_mark()?
        };
        if !flat.len().is_multiple_of(2) {
            return Err("the pickle holds a key without a value".into());
        }
        let target = self.top()?;
        if let Value::Dict(dict) = &mut self.values[target] {
            dict.extend(flat.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Step<()> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (&self.values[module], &self.values[name]) {
                (Value::Text(module), Value::Text(name)) => (module.clone(), name.clone()),
                _ => return Err("the pickle names a function by something that is no text".into()),
            }
        };
        self.push(Value::Global(format!("{module}.{name}")));
        Ok(())
    }

    /// A call is noted, not made; only an OrderedDict is a dictionary at once.
    fn reduce(&mut self) -> Step<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let value = match &self.values[function] {
            Value::Global(name) if name == "collections.OrderedDict" => Value::Dict(self.pairs(arguments)),
            _ => Value::Call { function, arguments },
        };
        self.push(value);
        Ok(())
    }

    /// The items of `OrderedDict([(key, value), …])`.
    fn pairs(&self, arguments: Id) -> Vec<(Id, Id)> {
        let sequence = |id: &Id| match &self.values[*id] {
            Value::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        let list = sequence(&arguments).first().map_or(&[][..], sequence);
        list.iter()
            .filter_map(|pair| <[Id; 2]>::try_from(sequence(pair)).ok())
            .map(|[key, value]| (key, value))
            .collect()
    }

    fn memo_key(&mut self, opcode: u8) -> Step<u64> {
        match opcode {
            b'q' | b'h' => self.unsigned(1),
            b'r' | b'j' => self.unsigned(4),
            _ => Ok(self.memo.len() as u64),
        }
    }

    fn put(&mut self, opcode: u8) -> Step<()> {
        let key = self.memo_key(opcode)?;
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn get(&mut self, opcode: u8) -> Step<()> {
        let key = self.memo_key(opcode)?;
        let id = *self.memo.get(&key).ok_or("the pickle reads what it has not stored")?;
        self.stack.push(id);
        Ok(())
    }
}

/// Python's two's complement of any length, if it fits into 64 bits.
fn long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let mut wide = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { [0xff; 8] } else { [0; 8] };
    wide[..bytes.len()].copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(pickle: &Pickle, id: Id) -> String {
        let all = |ids: &[Id]| ids.iter().map(|id| show(pickle, *id)).collect::<Vec<_>>().join(", ");
        match &pickle[id] {
            Value::None => "None".into(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Text(text) => format!("{text:?}"),
            Value::Bytes(bytes) => format!("{bytes:?}"),
            Value::Sequence(items) => format!("[{}]", all(items)),
            Value::Dict(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| format!("{}: {}", show(pickle, *key), show(pickle, *value)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
            Value::Global(name) => name.clone(),
            Value::Call { function, arguments } => format!("{}{}", show(pickle, *function), show(pickle, *arguments)),
            Value::Persistent(id) => format!("@{}", show(pickle, *id)),
        }
    }

    // import pickle, collections; v = {'a': [1, -2, 300, 2**40, 1.5, None, True], 'b': (1, 2), 'c': b'xy',
    //   'd': collections.OrderedDict(k='é')}; [pickle.dumps(v, p).hex() for p in (2, 4)]
    const PICKLES: [&str; 2] = [
        "80027d71002858010000006171015d7102284b014afeffffff4d2c018a06000000000001473ff80000000000004e886558010000006271034b014b028671045801000000637105635f636f646563730a656e636f64650a710658020000007879710758060000006c6174696e31710886710952710a580100000064710b63636f6c6c656374696f6e730a4f726465726564446963740a710c2952710d58010000006b710e5802000000c3a9710f73752e",
        "8004956c000000000000007d94288c0161945d94284b014afeffffff4d2c018a06000000000001473ff80000000000004e88658c0162944b014b0286948c01639443027879948c0164948c0b636f6c6c656374696f6e73948c0b4f726465726564446963749493942952948c016b948c02c3a99473752e",
    ];

    #[test]
    fn each_protocol_gives_the_same_values() {
        for hex in PICKLES {
            let bytes: Vec<u8> =
                (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect();
            let pickle = read(&bytes).expect("whole");
            let text = show(&pickle, pickle.root);
            assert!(
                text.starts_with(r#"{"a": [1, -2, 300, 1099511627776, 1.5, None, true], "b": [1, 2], "c": "#),
                "{text}"
            );
            assert!(text.ends_with(r#""d": {"k": "é"}}"#), "{text}");
            for length in 0..bytes.len() {
                assert!(read(&bytes[..length]).is_err(), "cut at {length}");
            }
        }
    }

    #[test]
    fn a_call_is_noted_and_not_made() {
        // What `class Evil: __reduce__ = lambda self: (os.system, ("ls",))` pickles to.
        let pickle = read(b"\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00lsq\x01\x85q\x02Rq\x03.").expect("whole");
        assert_eq!(show(&pickle, pickle.root), r#"posix.system["ls"]"#);
    }

    #[test]
    fn nonsense_is_an_error() {
        for bytes in [&b"."[..], b"0.", b"R.", b"u.", b"h\x05.", b"(0.", b"\xff.", b"X\xff\xff\xff\xff.", b"}K\x01s."] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}

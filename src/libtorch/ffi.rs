//! The shim's functions, and the few ways in which values cross the border.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use tch::{Device, Tensor};

/// A tensor as C++ sees it: `at::Tensor*`.
pub type Handle = *mut torch_sys::C_tensor;
/// Takes bytes that C++ owns.
pub type Sink = extern "C" fn(*mut c_void, *const c_char, usize);
/// Takes a name that C++ owns and a tensor that is Rust's from here on.
pub type Visit = extern "C" fn(*mut c_void, *const c_char, usize, Handle);
/// Where C++ puts its error text.
pub type ErrorText = *mut *mut c_char;

/// A `torch::jit::Module`.
#[repr(C)]
pub struct RawModule {
    opaque: [u8; 0],
}

/// A shared pointer to a `torch::jit::CompilationUnit`.
#[repr(C)]
pub struct RawUnit {
    opaque: [u8; 0],
}

unsafe extern "C" {
    fn polytask_free(text: *mut c_char);
    pub fn polytask_version() -> *const c_char;
    pub fn polytask_library(sink: Sink, context: *mut c_void, error: ErrorText) -> c_int;
    pub fn polytask_open_library(path: *const c_char, error: ErrorText) -> c_int;
    pub fn polytask_deterministic_cuda(error: ErrorText) -> c_int;
    pub fn polytask_seed(seed: u64, cuda_devices: c_int, error: ErrorText) -> c_int;
    pub fn polytask_threads(count: c_int, error: ErrorText) -> c_int;
    pub fn polytask_flush_denormals(on: c_int) -> c_int;
    pub fn polytask_keep_memory() -> c_int;
    pub fn polytask_release_memory();
    pub fn polytask_is_alone(tensor: Handle) -> c_int;

    pub fn polytask_module_load(data: *const u8, size: usize, device: c_int, error: ErrorText) -> *mut RawModule;
    pub fn polytask_module_share(module: *mut RawModule) -> *mut RawModule;
    pub fn polytask_module_free(module: *mut RawModule);
    pub fn polytask_module_parameters(
        module: *mut RawModule,
        visit: Visit,
        context: *mut c_void,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_buffers(
        module: *mut RawModule,
        visit: Visit,
        context: *mut c_void,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_attributes(
        module: *mut RawModule,
        visit: Visit,
        context: *mut c_void,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_forward(
        module: *mut RawModule,
        inputs: *const Handle,
        names: *const *const c_char,
        count: usize,
        visit: Visit,
        context: *mut c_void,
        named: *mut c_int,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_train(module: *mut RawModule, on: c_int, error: ErrorText) -> c_int;
    pub fn polytask_module_to(module: *mut RawModule, device: c_int, kind: c_int, error: ErrorText) -> c_int;
    pub fn polytask_module_save(
        module: *mut RawModule,
        names: *const *const c_char,
        texts: *const *const c_char,
        sizes: *const usize,
        count: usize,
        sink: Sink,
        context: *mut c_void,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_tree(module: *mut RawModule, sink: Sink, context: *mut c_void, error: ErrorText) -> c_int;
    pub fn polytask_module_signature(
        module: *mut RawModule,
        sink: Sink,
        context: *mut c_void,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_arguments(
        module: *mut RawModule,
        sink: Sink,
        context: *mut c_void,
        error: ErrorText,
    ) -> c_int;

    pub fn polytask_unit_new() -> *mut RawUnit;
    pub fn polytask_unit_free(unit: *mut RawUnit);
    pub fn polytask_module_new(unit: *mut RawUnit, class: *const c_char, error: ErrorText) -> *mut RawModule;
    pub fn polytask_module_add_tensor(
        module: *mut RawModule,
        name: *const c_char,
        tensor: Handle,
        buffer: c_int,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_add_child(
        module: *mut RawModule,
        name: *const c_char,
        child: *mut RawModule,
        error: ErrorText,
    ) -> c_int;
    pub fn polytask_module_define(module: *mut RawModule, source: *const c_char, error: ErrorText) -> c_int;

    pub fn polytask_state_dict_save(
        names: *const *const c_char,
        tensors: *const Handle,
        count: usize,
        sink: Sink,
        context: *mut c_void,
        error: ErrorText,
    ) -> c_int;
}

/// Calls the shim; the error is C++'s whole text.
///
/// # Errors
/// Whatever C++ threw.
pub fn call<T>(function: impl FnOnce(ErrorText) -> T) -> Result<T, String> {
    let mut text: *mut c_char = std::ptr::null_mut();
    let value = function(&mut text);
    if text.is_null() {
        return Ok(value);
    }
    // SAFETY: the shim sets the pointer to a NUL-terminated text of its own and gives it away.
    let message = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: the shim allocated it, and nobody else frees it.
    unsafe { polytask_free(text) };
    Err(message)
}

/// The line of an error of libtorch that says what happened.
///
/// TorchScript's interpreter prints its own traceback first and the reason last, behind `RuntimeError:`.
pub fn gist(message: &str) -> String {
    let reason = message.lines().rev().find_map(|line| {
        // Python's classes of errors, whichever it is: `ValueError: …`.
        let (class, reason) = line.trim().split_once(": ")?;
        let class = class.rsplit('.').next().unwrap_or(class);
        (class.ends_with("Error") && class.chars().all(char::is_alphanumeric)).then_some(reason)
    });
    let first = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    reason.unwrap_or(first).trim_end_matches(':').to_string()
}

/// A text for C++.
///
/// # Errors
/// The text holds a NUL.
pub fn text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} holds a NUL character"))
}

/// What C++ reads of tensors while they are borrowed.
pub fn handles<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<Handle> {
    tensors.into_iter().map(|tensor| tensor.as_ptr().cast_mut()).collect()
}

/// tch's numbering of devices, which the shim shares.
pub fn device_number(device: Device) -> c_int {
    match device {
        Device::Cpu => -1,
        Device::Cuda(index) => c_int::try_from(index).unwrap_or(c_int::MAX),
        Device::Mps => -2,
        Device::Vulkan => unreachable!("no device choice gives Vulkan"),
    }
}

/// Bytes that C++ hands over in pieces.
#[derive(Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The callback of [`Bytes::context`].
    pub const SINK: Sink = {
        extern "C" fn take(context: *mut c_void, data: *const c_char, size: usize) {
            // SAFETY: `context` comes from `Bytes::context` of a value that outlives the call, and C++ vouches for the bytes.
            let (bytes, piece) = unsafe { (&mut *context.cast::<Bytes>(), slice(data, size)) };
            bytes.0.extend_from_slice(piece);
        }
        take
    };

    /// What the callback fills.
    pub fn context(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }
}

/// Texts that C++ hands over, one a call.
#[derive(Default)]
pub struct Texts(pub Vec<String>);

impl Texts {
    /// The callback of [`Texts::context`].
    pub const SINK: Sink = {
        extern "C" fn take(context: *mut c_void, data: *const c_char, size: usize) {
            // SAFETY: `context` comes from `Texts::context` of a value that outlives the call, and C++ vouches for the bytes.
            let (texts, piece) = unsafe { (&mut *context.cast::<Texts>(), slice(data, size)) };
            texts.0.push(String::from_utf8_lossy(piece).into_owned());
        }
        take
    };

    /// What the callback fills.
    pub fn context(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }
}

/// Named tensors that C++ hands over.
#[derive(Default)]
pub struct Named(pub Vec<(String, Tensor)>);

impl Named {
    /// The callback of [`Named::context`].
    pub const VISIT: Visit = {
        extern "C" fn take(context: *mut c_void, name: *const c_char, size: usize, tensor: Handle) {
            // SAFETY: `context` comes from `Named::context` of a value that outlives the call, C++ vouches for the name
            // and gives the tensor away.
            let (named, name, tensor) =
                unsafe { (&mut *context.cast::<Named>(), slice(name, size), Tensor::from_ptr(tensor)) };
            named.0.push((String::from_utf8_lossy(name).into_owned(), tensor));
        }
        take
    };

    /// What the callback fills.
    pub fn context(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }
}

/// # Safety
/// `data` points to `size` bytes that stay as they are while the slice lives, or `size` is 0.
unsafe fn slice<'a>(data: *const c_char, size: usize) -> &'a [u8] {
    if size == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data.cast(), size) }
}

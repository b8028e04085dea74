"""Errors for users: one class per kind, a stable code per cause, and the text behind `ingot explain`."""

from collections.abc import Sequence

MAX_LINES = 12

# Ranges: 0xx installation and switches, 1xx tracing, 2xx shapes and dtypes, 3xx gradients and transforms,
# 4xx graph, kernels and code generation, 5xx loading and running, 6xx cache and files, 7xx command line and
# ahead-of-time output, 9xx verification.
CODES: dict[str, str] = {
    "IG001": "An INGOT_* environment variable or flag was given a value outside its range. Each flag has a type, a "
    "default and one line of help.",
    "IG002": "There is no error code of that name.",
    "IG110": "A named size cannot be divided: the division is not known to be exact for every value of the name.",
    "IG111": "Operands have different shapes. Operations of a graph never broadcast by themselves; expand first.",
    "IG112": "An operand has a dtype that the operation does not take, or operands have different dtypes. Operations "
    "of a graph never convert by themselves; cast first.",
    "IG113": "An axis does not exist, axes are repeated or out of order, or there is not one entry for each axis.",
    "IG114": "A tensor cannot be reshaped to a shape that has another number of elements.",
    "IG115": "A slice reaches outside its axis or has a step that is not positive, or padding is negative.",
    "IG116": "The largest or smallest element of nothing does not exist: the axis has no elements.",
    "IG117": "The bytes of a constant are neither one element nor all of them.",
    "IG119": "An input of a graph was given no value.",
    "IG120": "An index is outside its axis. Indices count from 0; negative ones count from the end and reach back as "
    "far as the axis is long.",
    "IG121": "An index, the tensor it reads or writes, and the updates have shapes that do not belong together. take "
    "and put replace one axis by the axes of the index; gather and scatter take an index with as many axes as the "
    "tensor.",
    "IG122": "Values can be written in mode set, add or max.",
    "IG130": "The axes of a product of two tensors do not exist, repeat, or are paired with axes of another size.",
    "IG131": "A window or kernel does not fit: channels or groups disagree, a stride or dilation is not positive, or "
    "the window reaches over more elements than the padded axis has.",
    "IG132": "A windowed reduction needs a positive window, stride and dilation per axis, a known reduction, and "
    "operands of matching shapes.",
    "IG133": "More elements were asked for than the axis has.",
    "IG140": "Two trees of containers do not fit: another number of leaves, or other containers. Trees are made of "
    "tuples, lists, dicts, namedtuples and dataclasses.",
    "IG150": "The state of the mt19937 generator is not one, or a negative number of draws was asked for.",
    "IG151": "philox takes a key and an offset of two 32-bit words each.",
    "IG160": "The regions of a control operation do not fit its operands or each other: both branches must give the "
    "same types, and a loop body must give back the types of what it carries.",
    "IG161": "A scanned tensor has another number of rows than the scan has steps.",
    "IG170": "A native call needs the name of a C function and at least one result.",
    "IG171": "The array version of a native function gave other dtypes or shapes than were declared.",
    "IG180": "A traced tensor was used as a truth value (if, while, and, assert). Compiled code is made before its "
    "elements are known: use where to keep one of two results.",
    "IG181": "A traced tensor was converted to a Python number. Its elements are not known while the function is "
    "traced: keep computing with tensors, or pass the number as a Python number, of which each value is "
    "compiled by itself.",
    "IG182": "A traced tensor was used as an index of a sequence or as a size. Index tensors with tensors "
    "(index_select, gather); sizes must be known when the function is traced.",
    "IG183": "A traced tensor was iterated over (a for loop, unpacking, unbind) along a dimension with a named size. "
    "Loops are unrolled while the function is traced, and then the number of steps has to be known.",
    "IG184": "The elements of a traced or captured tensor were asked for (item, tolist, numpy). They would be frozen "
    "into the compiled code; return the tensor and read it outside.",
    "IG185": "An operation gives a shape that depends on the elements of a tensor (nonzero, unique, indexing with a "
    "mask), which compiled code cannot have.",
    "IG186": "A tensor whose strides overlap in a way that no slicing, transposing or expanding gives cannot be used "
    "in compiled code. Make it contiguous first.",
    "IG187": "A tensor made while a function was traced was used after the trace. It stands for a place in the graph "
    "and has no elements; return it from the function instead of storing it elsewhere.",
    "IG188": "A compiled function returned a container that hides tensors, such as a set. Return tuples, lists or "
    "dicts.",
    "IG189": "A compiled function changed Python state outside of it (a list, a dict, an attribute). The statement "
    "would not run again with the compiled code. Return the value, or keep state in tensors and write to them "
    "in place.",
    "IG190": "A compiled function drew numbers from Python's or NumPy's random generator; the compiled code would "
    "repeat the same numbers. Use ingot's own functions, whose generator is part of the compiled code's "
    "state.",
    "IG191": "A function was compiled so often that every call seems to need code of its own. Pass changing numbers as "
    "tensors, or keep shapes the same.",
    "IG192": "A random operation cannot be compiled: its draws depend on each other or on a size that is not known.",
    "IG193": "A compiled function was given a NumPy array. It would be a constant of the compiled code, which would "
    "not see its elements change. ingot.from_numpy makes a tensor over the same memory.",
    "IG201": "Two shapes cannot be broadcast together: aligned from the last dimension, each pair of sizes must be "
    "equal or one of the two must be 1.",
    "IG202": "A shape, stride or dimension index is outside the tensor it was applied to: a negative size, a "
    "dimension that does not exist, a permutation that is not one, or a slice step that is not positive.",
    "IG203": "The requested shape has another number of elements than the tensor.",
    "IG204": "Two dtypes have no common type. As in PyTorch, uint32 and uint64 do not take part in implicit "
    "promotion with other integer types; convert one side explicitly.",
    "IG205": "A dtype name or NumPy dtype that ingot does not have.",
    "IG206": "The array cannot be shared as tensor memory: it is not C-contiguous, or it is read-only and an in-place "
    "operation could write into memory that others rely on. Pass a copy.",
    "IG207": "A view would read or write outside the bytes of its storage.",
    "IG210": "The default dtype is the one that Python floats get; it must be a floating one.",
    "IG211": "A Python number does not fit the dtype it is to be stored in.",
    "IG212": "Memory that several elements of a tensor share (after expand) cannot be written to through it. Clone it "
    "first.",
    "IG213": "An in-place operation has a result of a kind that its tensor cannot hold: a floating result in an "
    "integer tensor, or a number in a bool tensor.",
    "IG214": "An operation takes tensors and numbers and was given something else. ingot.tensor makes tensors of lists "
    "and arrays.",
    "IG215": "The operation does not exist for tensors of this dtype, for instance arithmetic on bools or bits of "
    "floats.",
    "IG216": "clamp needs a lower bound, an upper bound or both.",
    "IG217": "An option that is one of a few names was given another one.",
    "IG218": "An integer to a negative power is no integer. Convert to a floating dtype first.",
    "IG219": "A condition or mask must be a bool tensor. Compare with != 0 to make one.",
    "IG220": "The mean of integers is no integer. Convert to a floating dtype first, or give dtype=.",
    "IG221": "The order of the elements in memory does not allow this view. reshape copies where it must.",
    "IG222": "t() transposes matrices; mT or transpose exchange two dimensions of tensors with more.",
    "IG223": "An index is outside its dimension, there are more indices than dimensions, or the index is of a type "
    "that does not index tensors.",
    "IG224": "Tensors to be joined must agree in every dimension but the one they are joined along (all of them for "
    "stack).",
    "IG225": "The sizes of the parts of a split must be positive and sum to the size of the dimension.",
    "IG226": "Padding takes two numbers per dimension from the last one backwards, and a known mode; reflected and "
    "circular padding is limited by the tensor's size.",
    "IG227": "Both operands must have one dtype; this operation does not promote. Convert one of them.",
    "IG228": "The shapes of a product do not fit: the inner sizes differ, the batch dimensions do not broadcast, or an "
    "operand has the wrong number of dimensions.",
    "IG229": "Indices and class numbers are int64 (or int32) tensors.",
    "IG230": "An index must have as many dimensions as the tensor it indexes, or be a vector.",
    "IG231": "topk was asked for more elements than the dimension has, or for a negative number.",
    "IG232": "Index tensors must broadcast together, and a mask must have the shape of the dimensions it masks.",
    "IG233": "An assigned value does not broadcast to the shape of the indexed part.",
    "IG234": "There is no device of that name.",
    "IG235": "arange needs a step that is not 0 and leads from start to end.",
    "IG236": "A tensor is made of numbers: nested sequences of equal lengths, or an array of numbers.",
    "IG237": "item() needs a tensor with exactly one element.",
    "IG238": "The truth of a tensor with several elements, or none, is ambiguous; use any() or all().",
    "IG239": "Only an integer tensor with a single element can be an index or a size.",
    "IG240": "A tensor without dimensions has no length and no rows.",
    "IG241": "A generator's state must be one that get_state gave.",
    "IG242": "Random floating numbers need a floating dtype, and probabilities lie in [0, 1].",
    "IG243": "The range to draw integers from is empty.",
    "IG244": "Class targets must have the shape of the input without its class dimension.",
    "IG245": "Normalisation is over the last dimensions, whose sizes must be the ones given.",
    "IG246": "A dropout probability lies between 0 and 1.",
    "IG247": "A state_dict does not fit the module: keys are missing or unknown, or shapes differ.",
    "IG248": "The fan of a weight is known for tensors of at least two dimensions.",
    "IG260": "An optimiser or schedule was given a number outside its range.",
    "IG261": 'An optimiser takes tensors that are leaves, (name, tensor) pairs, or dicts with them under "params".',
    "IG262": "The state to be loaded does not fit the optimiser: other groups or other parameters.",
    "IG300": "A convolution, a pooling or a resampling was given sizes, steps, padding or channels that do not fit its "
    "input, or windows larger than the padded input.",
    "IG301": "A leaf that requires grad cannot be written to in place while gradients are recorded: its value before "
    "would be lost. Write inside no_grad.",
    "IG302": "A tensor that a derivative needs was written to in place after it was used. Use the out-of-place "
    "operation, or clone before writing.",
    "IG303": "Nothing that requires grad led to this tensor, so it has no gradient.",
    "IG304": "An operation on the way has no derivative. Detach its operands if no gradient is wanted.",
    "IG305": "Only a tensor with one element has a gradient by itself; give a cotangent for others.",
    "IG306": "A graph was walked backwards twice. The first walk frees what it needs, unless retain_graph=True.",
    "IG307": "A cotangent must have the shape of the tensor it belongs to.",
    "IG308": "A derivative was asked for by a tensor that does not require grad or was not used.",
    "IG309": "Post-accumulate hooks are called with leaves, whose .grad they see; others have register_hook.",
    "IG310": "A gradient has the shape of its tensor.",
    "IG311": "An array cannot carry gradients. Detach the tensor first.",
    "IG312": "Only leaves can be copied deeply; a tensor that operations made belongs to its graph.",
    "IG313": "Only floating tensors have gradients.",
    "IG314": "Whether a tensor that operations made requires grad follows from its operands.",
    "IG315": "backward() inside a compiled function goes on to what a tensor was computed from outside of it when the "
    "call is over: the function cannot use those gradients itself, nor can they have derivatives or be part of a "
    "library. Compute the tensor inside, or detach it.",
    "IG316": "The derivative of the derivative of a compiled function reads a tensor that the function does not read.",
    "IG318": "grad differentiates functions whose result is a floating scalar.",
    "IG319": "A normalisation was given an input without a channel dimension (1), or weights or statistics that do "
    "not have one element per channel (or the channels do not divide into the groups).",
    "IG320": "A mean and a variance cannot be taken: while training there must be more than one value per channel, "
    "and running statistics must exist otherwise.",
    "IG321": "The operands of embedding_bag do not fit: an input of 1 dimension needs offsets, which begin with 0 and "
    "end within it, one of 2 dimensions takes none, and per_sample_weights have its shape and are for mode 'sum'.",
    "IG322": "A loss was given options outside their range, weights that are not one per class, or tensors that do not "
    "belong together. The text names them.",
    "IG323": "ctc_loss takes log-probabilities [T, N, C], one length per row, not longer than there are steps and "
    "targets, and a blank that is one of the classes.",
    "IG324": "An activation was given options outside their range or a tensor that it is not defined for. The text "
    "says which.",
    "IG325": "AdaptiveLogSoftmaxWithLoss takes increasing cutoffs within the classes, rows of features, and one "
    "existing class per row.",
    "IG330": "The operands of attention do not fit together: query, key and value need one floating dtype, equal last "
    "sizes of query and key, equal lengths of key and value, and either a mask or is_causal.",
    "IG331": "The norm of the gradients is infinite or NaN, and error_if_nonfinite was asked for; or it was asked for "
    "inside a compiled function, where the norm is not known yet.",
    "IG332": "Sequences of different lengths do not fit together: lengths are positive, at most the number of steps, "
    "one per sequence, and do not rise unless enforce_sorted=False.",
    "IG333": "A recurrent network was given sizes or options that make none.",
    "IG334": "The input or the states of a recurrent network do not have its sizes, number of dimensions or dtype.",
    "IG345": "A function was given an argument that it does not have, or not all that it needs.",
    "IG346": "out= takes one tensor per result, of a dtype that the result may be converted to, in eager code of any "
    "shape, in compiled code of the shape of the result. Nothing is recorded for a gradient.",
    "IG347": "Complex numbers come later. Keep real and imaginary parts in two real tensors.",
    "IG348": "A class of modules says in a method `forward` what calling its modules computes.",
    "IG349": "The mixed precision of autocast comes later. Convert modules and tensors with .to(ingot.bfloat16).",
    "IG350": "This machine's GPUs are out of reach of this build, which computes on the CPU.",
    "IG356": "An equation of einsum names each dimension of each operand by a letter; letters of the result occur in "
    "the operands; equal letters stand for equal sizes (or 1).",
    "IG357": "Memory is shared with other libraries by tensors that do not require grad, of dtypes that both have.",
    "IG358": "The tensors compared by ingot.testing are not close.",
    "IG335": "The operands or masks of multi-head attention do not fit together.",
    "IG336": "The sizes or options of an attention layer or a transformer make no layer.",
    "IG337": "A parametrization does not fit: the tensor does not exist or has one already, what is computed has "
    "another dtype or shape, or the computation cannot be undone without a right_inverse.",
    "IG338": "The tensors given to functional_call do not fit the module: names are missing, unknown or given twice.",
    "IG339": "A layer and its batch normalisation can be joined in evaluation mode only.",
    "IG351": "Only a floating scalar has a gradient. Reduce the result first, or give a cotangent of its shape (vjp).",
    "IG352": "Derivatives were asked for by an input that does not exist or is not floating.",
    "IG353": "An operation has no derivative rule, so reverse mode cannot pass it. Detach its operands if no gradient "
    "should flow there; of loops, those over a fixed number of steps (scan) have one.",
    "IG354": "An operation has no forward derivative rule.",
    "IG355": "An operation has no rule for batches (vmap).",
    "IG365": "A matrix is singular: a pivot of its factorisation is exactly 0, so that a system with it has no unique "
    "solution. inv_ex, solve_ex and lu_factor_ex say so in `info` instead of raising; lstsq and pinv need no inverse.",
    "IG366": "A matrix is not positive definite, so it has no Cholesky factor. cholesky_ex says so in `info` instead "
    "of raising; adding a small multiple of the identity often helps.",
    "IG367": "An eigenvalue or singular value decomposition did not converge, or its matrix holds NaN or infinities.",
    "IG368": "Linear algebra takes matrices, batches of matrices, square ones where an inverse or a power is meant, "
    "and right-hand sides with as many rows.",
    "IG369": "Linear algebra is computed in float32 and float64.",
    "IG370": "The result would be complex: tensors of complex numbers come later. eigh and eigvalsh are for symmetric "
    "matrices, whose eigenvalues are real.",
    "IG371": "The operation is computed by NumPy, which a C library without Python cannot call. inv, solve, "
    "solve_triangular, cholesky, lu and det are compiled to code of their own.",
    "IG372": "The name was removed from PyTorch's interface; the error names what took its place.",
    "IG373": "An order of a norm that matrices or vectors do not have, or dimensions that do not go with it.",
    "IG380": "A compiled function registered a hook on a leaf from outside; it would do so only once, while it is "
    "traced. Register the hook before the call.",
    "IG381": "A hook or the backward of a custom function gave a gradient of another shape or dtype than its tensor's.",
    "IG382": "A hook or the backward of a custom function gave something that is no tensor for a gradient.",
    "IG383": "A derivative gave NaN; anomaly mode names the line of the operation. Keep operands inside the "
    "operation's domain (with where or clamp on the operand).",
    "IG384": "A custom function (autograd.Function) lacks forward or backward, which are static methods, or was called "
    "on an instance. Subclass.apply(...) calls it.",
    "IG385": "The backward of a custom function returns one gradient per argument of forward: None for arguments that "
    "are no tensors.",
    "IG386": "The backward of a custom function is marked @once_differentiable, so that its results have no "
    "derivative.",
    "IG387": "The unpack hook of saved_tensors_hooks gives back what its pack hook was given.",
    "IG388": "gradcheck found a derivative that finite differences contradict, or that changes from one time to the "
    "next. Check the backward of custom functions, and use float64 inputs.",
    "IG390": "A module was given parameters, buffers or modules before its own __init__() had run. super().__init__() "
    "is the first line of a module's __init__.",
    "IG391": "A name of a module, parameter or buffer is not empty, has no dot in it, and is no attribute of the "
    "class.",
    "IG392": "vmap maps tensors over one dimension each, of the same size, to tensors; random functions need "
    "randomness='different' or 'same'.",
    "IG393": "Anomaly mode looks at the numbers of gradients, which a function has none of while it is compiled. "
    "Turned on around the call, it runs compiled functions uncompiled.",
    "IG389": "With strict=True, every output (and derivative) must depend on every input.",
    "IG395": "differentiable=True asks for gradients through the step of an optimiser. Write the update with tensor "
    "operations, which gradients flow through.",
    "IG397": "A schedule of learning rates takes an optimiser; one that is resumed in the middle (last_epoch) reads "
    "initial_lr from its parameter groups, which an earlier schedule or a loaded state has put there.",
    "IG398": "LBFGS evaluates its closure as often as the values ask for, which compiled code cannot do, and knows one "
    "line search, strong_wolfe. Compile the closure, and call step outside.",
    "IG396": "A hook before an optimiser's step returned something other than None or (args, kwargs).",
    "IG374": "A parameter of a distribution lies outside its constraint, for instance a negative scale.",
    "IG375": "A value lies outside the support of a distribution. validate_args=False leaves the check out.",
    "IG376": "A value or shape does not fit the batch_shape and event_shape of a distribution or transform.",
    "IG377": "A distribution has no such quantity in closed form (an entropy, a divergence, an inverse).",
    "IG401": "There is no target of that name. `ingot build --help` lists them; host is this machine.",
    "IG402": "A graph with named sizes was compiled into a program, which needs numbers. Give sizes, or build a C "
    "library, whose functions take them as arguments.",
    "IG403": "LLVM rejected generated code. This is a defect of ingot: please report it with the function.",
    "IG404": "An op reached code generation that has no code of its own. This is a defect of ingot: please report it.",
    "IG405": "Files cannot be saved or loaded, and no batches drawn from a loader, while a function is compiled: the "
    "compiled code would not do it again. Do it outside of the function.",
    "IG406": "A checkpoint is damaged, was cut short, or is no checkpoint. Files that ingot.save writes appear whole "
    "or not at all; a damaged one was changed, or cut short by what copied it.",
    "IG407": "A checkpoint names a class or function that is not allowed. Reading a pickle that may call anything runs "
    "code that the file brings. ingot.serialization.add_safe_globals allows classes of your own, if you trust the "
    "file; a state_dict needs none.",
    "IG408": "An object cannot be stored in a checkpoint, for instance a lambda, an open file or a class that is local "
    "to a function. Store a state_dict.",
    "IG409": "save or load was given an argument that it does not have: pickles are read by ingot itself, and only "
    "files at a path can be mapped into memory.",
    "IG410": "An array given to a graph has another shape or dtype than its input, or there are too many or too few.",
    "IG411": "The shapes of the inputs do not fit their named sizes: a name stands for two numbers, or for one outside "
    "its range, or no input shows it.",
    "IG412": "Options of a DataLoader or a sampler do not go together, or one of them is outside its range.",
    "IG413": "Samples make no batch: they are of a type that default_collate does not know, or of unequal lengths. A "
    "collate_fn of your own makes batches of anything.",
    "IG414": "A worker process of a DataLoader died, failed in a way that cannot be shown, or took longer than timeout "
    "for a batch. num_workers=0 runs the dataset in the main process.",
    "IG415": "Datasets do not fit together, a dataset lacks a method, an index is outside it, or the lengths of a "
    "split do not add up.",
    "IG416": "The place that a DataLoader is to continue from is not one that its state_dict gave, or is that of a "
    "loader with other generators.",
    "IG421": "The text of a graph is not of the grammar; the error names line and column.",
    "IG422": "The text of a graph names an op or value that does not exist, or a type that the op does not give.",
    "IG423": "A graph has no text form: an attribute of an unknown kind, or two sizes of one name.",
    "IG425": "A factorisation of low rank takes at least 0 iterations; principal components are at most as many as the "
    "matrix has rows and columns.",
    "IG501": "A compiled program returned a non-zero status. Generated code reports run-time checks (an index out of "
    "range, a failed assertion) by such a code.",
    "IG502": "An object file could not be loaded: it is not a relocatable ELF object for this machine, it needs a "
    "symbol that nobody supplied, or it holds a relocation the loader does not know.",
    "IG503": "A specialisation does not describe its program completely: an input without a source, an output without "
    "a destination, or a layout that differs from the program's slot.",
    "IG504": "Memory for a tensor could not be obtained from the system. `ingot.runtime.pool.empty_cache()` returns "
    "recycled blocks to it.",
    "IG505": "The native call path is not available in this process, but INGOT_DISPATCH=native demands it.",
    "IG601": "A stored program or cache entry is damaged: its magic number, length or checksum is wrong. Damaged cache "
    "entries are removed and rebuilt.",
    "IG602": "A file could not be written.",
    "IG603": "A cache key is the 64 lower-case hex digits of a sha256.",
    "IG604": "The cache on disk is off: INGOT_CACHE=0 says so, or its folder cannot be made, belongs to another user, "
    "or may be written by everybody.",
    "IG605": "A safetensors file stores tensors, numbers, texts, and dicts, lists and tuples of them, nothing else.",
    "IG606": "A file of tensors does not exist, cannot be read, or is not a safetensors file.",
    "IG701": "The command line was given a file that does not exist or that cannot be imported.",
    "IG702": "The file has no function of that name.",
    "IG703": "There is no such stage or pass. `ingot dump` lists them when it meets an unknown one.",
    "IG704": "`ingot build` makes obj, archive, shared and header, and nothing of another name.",
    "IG705": "A name cannot be used in C: it is no identifier, or two functions of a library would share it.",
    "IG707": "A shared library is linked by the target's C compiler, which is missing or failed. Objects, archives and "
    "headers need no compiler.",
    "IG708": "The function was given no specs, so its arguments' shapes and dtypes are unknown.",
    "IG709": "The table of operations has no row of that name. `ingot ops` lists them.",
    "IG710": "A function cannot be built as a C function because of the memory it reads or returns: its results must "
    "be tensors of its own (return a copy, x.clone()), and it must not read `.grad` from before the call.",
    "IG730": "A spec is a dtype and its sizes in brackets, such as f32[32,784], i64[b] with a named size, or f32[] for "
    "a scalar.",
    "IG731": "A compiled function was called with tensors that do not match its specs.",
    "IG732": "A function without specs cannot be traced without example arguments.",
    "IG733": "static_argnames names arguments that are Python values; a tensor is an argument of the compiled code.",
    "IG901": "A graph is not well formed. This is a fault of whatever built it: the error names the value.",
}


class IngotError(Exception):
    """An error with a stable code.

    `str(error)` is "[CODE] what", then "  at FILE:LINE: source text", the details and "  write instead: ...",
    at most 12 lines in all.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str | None = None,
        detail: Sequence[str] = (),
        fix: str | None = None,
    ) -> None:
        self.code = code
        self.what = what
        self.where = where
        self.detail = tuple(detail)
        self.fix = fix
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole text without its code."""
        head = self.what.splitlines() or [""]
        if self.where is not None:
            head.append(f"  at {self.where}")
        tail = [f"  write instead: {self.fix}"] if self.fix is not None else []
        details = [f"  {line}" for text in self.detail for line in text.splitlines()]
        room = max(MAX_LINES - len(head) - len(tail), 1)
        if len(details) > room:
            details = [*details[: room - 1], f"  ... and {len(details) - room + 1} more"]
        return "\n".join([*head, *details, *tail][:MAX_LINES])

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.what, self.where, self.detail, self.fix)


def _rebuild(
    kind: type[IngotError], code: str, what: str, where: str | None, detail: tuple[str, ...], fix: str | None
) -> IngotError:
    """Unpickle an error; exceptions otherwise pickle their message alone."""
    return kind(code, what, where=where, detail=detail, fix=fix)


class ShapeError(IngotError, RuntimeError):
    """Shapes that do not fit; a RuntimeError because PyTorch raises that."""


class DTypeError(IngotError, TypeError, RuntimeError):
    """Dtypes or types that do not fit; PyTorch raises a TypeError or a RuntimeError, depending on the function."""


class OperandError(IngotError, RuntimeError):
    """Tensors that do not belong together for another reason; a RuntimeError because PyTorch raises that."""


class TraceError(IngotError, RuntimeError):
    """Something that a trace cannot capture."""


class SpecError(IngotError, ValueError, RuntimeError):
    """A malformed specification: a spec string, a flag, an option. PyTorch raises a ValueError or a RuntimeError."""


class AxisError(ShapeError, IndexError):
    """A dimension that a tensor does not have; an IndexError because PyTorch raises that."""


class DeviceError(SpecError, AssertionError):
    """A device that this build does not have; an AssertionError because PyTorch raises that."""


class UnknownNameError(IngotError, LookupError):
    """A name that does not exist."""


class OutOfRangeError(IngotError, IndexError, RuntimeError):
    """An index outside its axis."""


class UnreadyError(IngotError, AttributeError):
    """An object that lacks attributes because it is not set up."""


class BadNameError(IngotError, KeyError):
    """A name that cannot be given."""

    # KeyError.__str__ would quote its argument.
    __str__ = IngotError.__str__


class CacheError(IngotError):
    """Stored bytes that cannot be trusted."""


class BuildError(IngotError, RuntimeError):
    """Code that cannot be generated, loaded or run."""


class OutputError(IngotError, OSError):
    """A file that cannot be written."""

    # OSError.__str__ would print its errno pair.
    __str__ = IngotError.__str__


class LinAlgError(IngotError, RuntimeError):
    """A matrix for which the result does not exist; a RuntimeError because PyTorch raises that."""


class UnavailableError(IngotError, NotImplementedError):
    """Something that has no formula or no meaning; a NotImplementedError because PyTorch raises that."""


class VerifyError(IngotError, AssertionError):
    """Two ways of computing the same thing that disagree."""


class AssertedError(IngotError, AssertionError):
    """An argument that does not fit; an AssertionError because PyTorch raises that."""


class GradError(IngotError, RuntimeError):
    """A derivative that does not exist or was asked for wrongly."""


def explain(code: str) -> str:
    """The paragraph behind a code ("IG203", "ig203" or "203"). Raises UnknownNameError."""
    key = code.upper() if code.upper().startswith("IG") else f"IG{code}"
    if key not in CODES:
        raise UnknownNameError(
            "IG002", f"there is no error code {code!r}", detail=["known: " + ", ".join(sorted(CODES))]
        )
    return f"{key}: {CODES[key]}"

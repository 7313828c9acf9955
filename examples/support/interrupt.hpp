// SPDX-License-Identifier: MIT
#pragma once

/// A descriptor that becomes readable when the user presses Ctrl-C (SIGINT), for event loops to
/// poll. The first call installs the handler. Borrowed; -1 where the system gives none.
int interrupt_fd();

// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/unique_fd.hpp>

/// What another program receives when this one sends a descriptor over a socket (SCM_RIGHTS).
commonbuf::UniqueFd through_a_socket(commonbuf::UniqueFd sent);

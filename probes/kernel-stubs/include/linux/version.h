/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* bcc asks for the version only to choose a program's "version" field, which raw tracepoints ignore. */
#pragma once

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#ifndef LINUX_VERSION_CODE
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 8, 0)
#endif

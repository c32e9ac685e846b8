// Moved: include "check/findings/finding.h" and "check/rules/rules.h" instead.
#pragma once

#include "check/findings/finding.h"
#include "check/rules/rules.h"

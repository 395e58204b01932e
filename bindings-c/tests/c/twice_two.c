/* The other of the two. */
#include <sparsecbm.h>
#include <sparsecbm.h>

const char *other_version(void);

const char *other_version(void)
{
    return scbm_version();
}

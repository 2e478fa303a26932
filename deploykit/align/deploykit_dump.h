/* Write tensors of a board's run so that `deploykit diff` can read them. C99, no allocation, one header.
 *
 *     dk_dump dump;
 *     dk_tensor heat = {.name = "heat", .dtype = "int8", .layout = "NC1HWC2", .channel_block = 16,
 *                       .rank = 4, .shape = {1, 19, 80, 160}, .channel_axis = 1,
 *                       .scale_count = 1, .scale = &scale, .zero_point = &zero_point};
 *     if (dk_dump_open(&dump, "/userdata/dump", "sha256 of the model") != 0) ...
 *     if (dk_dump_write(&dump, frame, &heat, buffer, buffer_bytes) != 0) ...
 *     if (dk_dump_close(&dump) != 0) ...
 *
 * The folder has to be there. It gets deploykit_dump.tsv (a line a tensor, written after its file) and one .bin
 * a tensor and frame. `shape` is the network's own, in the network's order of axes; `layout` and the rest say
 * how the buffer lies in memory; fields that are 0 or NULL are left out. Every function gives 0, or an errno
 * value. Not for use by several threads at once on one dk_dump.
 */
#ifndef DEPLOYKIT_DUMP_H
#define DEPLOYKIT_DUMP_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DK_MAX_RANK 8
#define DK_MAX_PATH 512

typedef struct {
    const char *name;           /* the network's name of the tensor */
    const char *dtype;          /* "float", "float16", "int8", "uint8", "q7.8", ... */
    const char *layout;         /* NULL: the network's own order; "NHWC", "NC1HWC0", "NC1HWC2", ... */
    int rank;
    int64_t shape[DK_MAX_RANK];
    int channel_axis;           /* which of `shape` is C; mostly 1 */
    int channel_block;
    int64_t row_pitch_bytes;
    int64_t channel_pitch_bytes;
    int64_t batch_pitch_bytes;
    int64_t header_bytes;
    int64_t tail_bytes;
    int scale_count;            /* 0, 1, or one a channel: value = (code - zero_point) * scale */
    const float *scale;
    const int32_t *zero_point;  /* as many as scales, or NULL */
} dk_tensor;

typedef struct {
    FILE *manifest;
    char folder[DK_MAX_PATH];
    const char *model;
    unsigned long count;
} dk_dump;

static inline int dk_plain_(const char *text) {
    return text != NULL && text[0] != '\0' && strpbrk(text, "\t\r\n") == NULL;
}

static inline int dk_dump_open(dk_dump *dump, const char *folder, const char *model) {
    char path[DK_MAX_PATH + 32];
    memset(dump, 0, sizeof *dump);
    if (strlen(folder) >= sizeof dump->folder) return ENAMETOOLONG;
    if (model != NULL && model[0] != '\0' && !dk_plain_(model)) return EINVAL;
    strcpy(dump->folder, folder);
    dump->model = model != NULL && model[0] != '\0' ? model : "-";
    snprintf(path, sizeof path, "%s/deploykit_dump.tsv", folder);
    errno = 0;
    dump->manifest = fopen(path, "w");
    if (dump->manifest == NULL) return errno ? errno : EIO;
    fputs("index\tname\tfile\tframe\tdtype\tshape\tlayout\tchannel_axis\tchannel_block\trow_pitch_bytes\t"
          "channel_pitch_bytes\tbatch_pitch_bytes\theader_bytes\ttail_bytes\tscale\tzero_point\tmodel\n",
          dump->manifest);
    return fflush(dump->manifest) == 0 ? 0 : (errno ? errno : EIO);
}

static inline int dk_write_file_(const char *path, const void *data, size_t size_bytes) {
    FILE *file;
    size_t written;
    errno = 0;
    file = fopen(path, "wb");
    if (file == NULL) return errno ? errno : EIO;
    written = size_bytes ? fwrite(data, 1, size_bytes, file) : 0;
    if (fclose(file) != 0 || written != size_bytes) return errno ? errno : EIO;
    return 0;
}

static inline void dk_number_(FILE *manifest, int64_t value) {
    if (value != 0) fprintf(manifest, "\t%lld", (long long)value);
    else fputs("\t-", manifest);
}

static inline int dk_dump_write(dk_dump *dump, long frame, const dk_tensor *tensor, const void *data,
                                size_t size_bytes) {
    char file[64], path[DK_MAX_PATH + 72];
    int index, failed;
    FILE *manifest = dump->manifest;
    if (manifest == NULL) return EBADF;
    if (!dk_plain_(tensor->name) || !dk_plain_(tensor->dtype)) return EINVAL;
    if (tensor->layout != NULL && !dk_plain_(tensor->layout)) return EINVAL;
    if (tensor->rank < 0 || tensor->rank > DK_MAX_RANK || frame < 0) return EINVAL;
    if (tensor->scale_count < 0 || (tensor->scale_count > 0 && tensor->scale == NULL)) return EINVAL;
    snprintf(file, sizeof file, "f%06ld_t%06lu.bin", frame, dump->count);
    snprintf(path, sizeof path, "%s/%s", dump->folder, file);
    failed = dk_write_file_(path, data, size_bytes);
    if (failed) return failed;
    fprintf(manifest, "%lu\t%s\t%s\t%ld\t%s\t[", dump->count, tensor->name, file, frame, tensor->dtype);
    for (index = 0; index < tensor->rank; index++)
        fprintf(manifest, "%s%lld", index ? "," : "", (long long)tensor->shape[index]);
    fprintf(manifest, "]\t%s\t%d", tensor->layout != NULL ? tensor->layout : "NCHW", tensor->channel_axis);
    dk_number_(manifest, tensor->channel_block);
    dk_number_(manifest, tensor->row_pitch_bytes);
    dk_number_(manifest, tensor->channel_pitch_bytes);
    dk_number_(manifest, tensor->batch_pitch_bytes);
    dk_number_(manifest, tensor->header_bytes);
    dk_number_(manifest, tensor->tail_bytes);
    fputs(tensor->scale_count ? "\t" : "\t-", manifest);
    for (index = 0; index < tensor->scale_count; index++)
        fprintf(manifest, "%s%.9g", index ? "," : "", (double)tensor->scale[index]);
    fputs(tensor->scale_count && tensor->zero_point != NULL ? "\t" : "\t-", manifest);
    for (index = 0; tensor->zero_point != NULL && index < tensor->scale_count; index++)
        fprintf(manifest, "%s%ld", index ? "," : "", (long)tensor->zero_point[index]);
    fprintf(manifest, "\t%s\n", dump->model);
    dump->count++;
    return fflush(manifest) == 0 && !ferror(manifest) ? 0 : (errno ? errno : EIO);
}

static inline int dk_dump_close(dk_dump *dump) {
    FILE *manifest = dump->manifest;
    dump->manifest = NULL;
    if (manifest == NULL) return EBADF;
    return fclose(manifest) == 0 ? 0 : (errno ? errno : EIO);
}

#endif

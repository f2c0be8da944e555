-- Tables of School ERP as its published models have them (the first version), by Prisma's types: a part of the 22, with
-- every kind of column there is, and of those around them that keys lead to.
CREATE TYPE "UserRole" AS ENUM ('ADMIN', 'TEACHER', 'STUDENT', 'PARENT');
CREATE TYPE "AttendanceStatus" AS ENUM ('PRESENT', 'ABSENT', 'LATE', 'HALF_DAY', 'LEAVE');
CREATE TYPE "AuditAction" AS ENUM ('CREATE', 'READ', 'UPDATE', 'DELETE', 'LOGIN', 'LOGOUT', 'EXPORT', 'IMPORT', 'APPROVE', 'REJECT',
    'PUBLISH', 'ARCHIVE');
CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "clerkId" TEXT NOT NULL UNIQUE, "email" TEXT NOT NULL UNIQUE,
    "firstName" TEXT NOT NULL, "lastName" TEXT NOT NULL, "phone" TEXT, "avatar" TEXT, "role" "UserRole" NOT NULL DEFAULT 'STUDENT',
    "active" BOOLEAN NOT NULL DEFAULT true, "twoFactorEnabled" BOOLEAN NOT NULL DEFAULT false, "twoFactorSecret" TEXT,
    "twoFactorBackupCodes" TEXT, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL);
CREATE TABLE "Teacher" ("id" TEXT NOT NULL PRIMARY KEY, "userId" TEXT NOT NULL UNIQUE REFERENCES "User",
    "employeeId" TEXT NOT NULL UNIQUE, "qualification" TEXT, "joinDate" TIMESTAMP(3) NOT NULL, "salary" DOUBLE PRECISION,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL);
CREATE TABLE "Student" ("id" TEXT NOT NULL PRIMARY KEY, "userId" TEXT NOT NULL UNIQUE REFERENCES "User",
    "admissionId" TEXT NOT NULL UNIQUE, "gender" TEXT NOT NULL, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL);
CREATE TABLE "AcademicYear" ("id" TEXT NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "isCurrent" BOOLEAN NOT NULL DEFAULT false);
CREATE TABLE "Class" ("id" TEXT NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "academicYearId" TEXT NOT NULL REFERENCES "AcademicYear");
CREATE TABLE "ClassSection" ("id" TEXT NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "classId" TEXT NOT NULL REFERENCES "Class",
    "capacity" INTEGER);
CREATE TABLE "StudentAttendance" ("id" TEXT NOT NULL PRIMARY KEY, "studentId" TEXT NOT NULL REFERENCES "Student",
    "date" TIMESTAMP(3) NOT NULL, "sectionId" TEXT NOT NULL REFERENCES "ClassSection",
    "status" "AttendanceStatus" NOT NULL DEFAULT 'PRESENT', "reason" TEXT);
CREATE TABLE "ClassEnrollment" ("id" TEXT NOT NULL PRIMARY KEY, "studentId" TEXT NOT NULL REFERENCES "Student");
CREATE TABLE "Announcement" ("id" TEXT NOT NULL PRIMARY KEY, "title" TEXT NOT NULL, "publisherId" TEXT NOT NULL,
    "targetAudience" TEXT[], "startDate" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "endDate" TIMESTAMP(3));
CREATE TABLE "audit_logs" ("id" TEXT NOT NULL PRIMARY KEY, "userId" TEXT NOT NULL REFERENCES "User", "action" "AuditAction" NOT NULL,
    "resource" TEXT NOT NULL, "resourceId" TEXT, "changes" JSONB, "ipAddress" TEXT, "userAgent" TEXT,
    "timestamp" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL);
CREATE TABLE "Backup" ("id" TEXT NOT NULL PRIMARY KEY, "filename" TEXT NOT NULL, "size" BIGINT NOT NULL, "location" TEXT NOT NULL,
    "encrypted" BOOLEAN NOT NULL DEFAULT true, "status" TEXT NOT NULL DEFAULT 'COMPLETED',
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "createdBy" TEXT);

INSERT INTO "User" SELECT 'cuser' || i, 'clerk' || i, 'u' || i || '@school.test', 'Ärn' || i, E'Quote " back \\ line\n', NULL, NULL,
    (ARRAY['ADMIN', 'TEACHER', 'STUDENT'])[1 + i % 3]::"UserRole", i % 2 = 0, false, NULL, NULL,
    '2025-11-21 10:28:30.846', '2025-11-21 10:28:30' FROM generate_series(1, 40) i;
INSERT INTO "Teacher" VALUES ('cteacher1', 'cuser1', 'E1', 'M.Sc.', '2020-06-01', 41000.5, '2025-01-02 03:04:05.6', '2025-01-02'),
    ('cteacher2', 'cuser4', 'E2', NULL, '2021-06-01', NULL, '2025-01-02 03:04:05', '2025-01-02');
INSERT INTO "Student" SELECT 'cstudent' || i, 'cuser' || i, 'A' || i, 'x', '2025-01-01', '2025-01-01' FROM generate_series(10, 20) i;
INSERT INTO "AcademicYear" VALUES ('cyear', '2025', true);
INSERT INTO "Class" VALUES ('cclass', '7', 'cyear');
INSERT INTO "ClassSection" VALUES ('csection', 'A', 'cclass', 30), ('csection2', 'B', 'cclass', NULL);
INSERT INTO "StudentAttendance" SELECT 'catt' || i, 'cstudent' || i, '2025-11-20 08:00', 'csection', 'LATE', NULL FROM generate_series(10, 20) i;
INSERT INTO "Announcement" VALUES ('cann', 'Hello', 'cuser1', ARRAY['ALL', 'A "b", {c}'], '2025-11-21', NULL),
    ('cann2', 'None', 'cuser1', '{}', '2025-11-21', '2025-12-01');
INSERT INTO "audit_logs" VALUES ('clog', 'cuser1', 'LOGIN', 'user', NULL, '{"a": [1, {"b": null}], "n": 1.50}', NULL, NULL,
    '2025-11-21', '2025-11-21', '2025-11-21'), ('clog2', 'cuser1', 'LOGOUT', 'user', NULL, NULL, NULL, NULL,
    '2025-11-21', '2025-11-21', '2025-11-21');
